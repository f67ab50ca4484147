"""A shadow release is compared click by click, and whatever goes wrong with it stops nothing."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from prometheus_client import generate_latest

from contracts.features import FEATURE_IDS, FEATURE_INDEX, NO_GAP
from contracts.ports import FloatMatrix
from model.manifest import SLICES
from model.release import Release
from rules.ruleset import RuleSet
from streams.feature_rows import ShadowRows
from streams.judge import Judge, Judges
from streams.metrics import Metrics
from streams.shadow import ShadowScoring
from tests.builders import START_MS, click

CLICKS = [click(device="mobile"), click(device="mobile"), click(user_agent="curl/8")]
FEATURES = np.array([[0.2], [0.8], [0.8]], np.float32).repeat(len(FEATURE_IDS), axis=1)
FEATURES[:, FEATURE_INDEX["account_campaign_gap_s"]] = NO_GAP  # no double clicks
RULES = RuleSet.default()


class FirstFeature:
    """Scores by the first feature, or fails."""

    provider = "test"

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def score(self, features: FloatMatrix) -> npt.NDArray[np.float32]:
        if self.error:
            raise self.error
        return features[:, 0]


def judge(version: str, threshold: float, rules: RuleSet = RULES, error: Exception | None = None) -> Judge:
    release = Release(version, FEATURE_IDS, None, dict.fromkeys(SLICES, threshold), b"{}", None, None)
    return Judge(release, FirstFeature(error), rules)


def score(active: Judge, shadow: Judge | None) -> tuple[ShadowRows | None, str, list[Any]]:
    """What the shadow said, the metrics, and the shadows given up."""
    metrics, failed = Metrics(), list[Any]()
    times = [START_MS] * len(CLICKS)
    judged = active.judge(CLICKS, times, FEATURES)
    scoring = ShadowScoring(metrics, lambda *told: failed.append(told))
    found = scoring.score(Judges(active, shadow), judged, CLICKS, times, FEATURES)
    return found, generate_latest(metrics.registry).decode(), failed


def test_a_shadow_is_counted_by_slice_and_both_verdicts() -> None:
    found, metrics, failed = score(judge("a", 0.5), judge("s", 0.1))

    assert (found, failed) == (ShadowRows("s", pytest.approx([0.2, 0.8, 0.8]), ["invalid"] * 3), [])
    flipped = 'slidr_shadow_clicks_total{shadow_verdict="invalid",slice="mobile|user",verdict="valid"} 1.0'
    agreed = 'slidr_shadow_clicks_total{shadow_verdict="invalid",slice="desktop|user",verdict="invalid"} 1.0'
    assert flipped in metrics
    assert agreed in metrics


def test_a_shadow_has_rules_of_its_own() -> None:
    nothing = RuleSet.from_json(b'{"declared_robot": {"substrings": [], "regexes": []}, "non_browser": {}}')

    found, *_ = score(judge("a", 2), judge("s", 2, nothing))
    same_rules, *_ = score(judge("a", 2), judge("s", 2))

    assert found
    assert same_rules
    assert found.verdicts == ["valid"] * 3
    assert same_rules.verdicts == ["valid", "valid", "invalid"]


def test_a_shadow_that_fails_is_given_up_and_nothing_is_raised() -> None:
    error = RuntimeError("no")
    shadow = judge("s", 0.1, error=error)

    found, metrics, failed = score(judge("a", 0.5), shadow)

    assert (found, failed) == (None, [(shadow, error)])
    assert "slidr_shadow_clicks_total{" not in metrics


def test_without_a_shadow_there_is_nothing() -> None:
    assert score(judge("a", 0.5), None)[0] is None
