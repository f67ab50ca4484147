"""The verdict, and that what a Decision shows explains it."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import DEVICES, Click, Device
from model.decide import decide, written_scores
from model.manifest import SLICES
from model.release import Release, pass_through


def click(device: Device = "mobile", logged_in: bool = True) -> Click:
    return Click("c", 1_700_000_000_000, "s", logged_in, "10.0.0.1", "UA", device, "a", "k", 1, "EUR")


def release(**thresholds: float) -> Release:
    return Release("v1", (), None, dict.fromkeys(SLICES, 0.5) | thresholds, b"{}", None, None)


def judge(score: float, rules: tuple[str, ...] = (), release: Release = release()) -> tuple:  # noqa: B008
    verdicts = decide(release, [click()], np.array([score], np.float32), [rules])
    return tuple(column[0] for column in verdicts)


def test_a_score_below_the_threshold_is_valid() -> None:
    assert judge(0.25) == ("valid", "none", 0.25, 0.5, "mobile|user")


def test_a_score_that_reaches_the_threshold_is_invalid_by_the_model() -> None:
    assert judge(0.5) == ("invalid", "model", 0.5, 0.5, "mobile|user")


def test_a_rule_decides_whatever_the_score_and_the_first_gives_the_reason() -> None:
    assert judge(0.0, ("datacentre_ip", "double_click"))[:2] == ("invalid", "datacentre_ip")
    assert judge(0.9, ("stale_click",))[:2] == ("invalid", "stale_click")


def test_each_slice_has_its_own_threshold() -> None:
    thresholds = {name: (i + 1) / 20 for i, name in enumerate(SLICES)}
    clicks = [click(device, login) for device in DEVICES for login in (True, False)]

    verdicts = decide(release(**thresholds), clicks, np.full(10, 0.26, np.float32), [()] * 10)

    assert verdicts.slice == list(SLICES)
    assert verdicts.threshold == list(thresholds.values())
    assert verdicts.verdict == ["invalid"] * 5 + ["valid"] * 5


def test_a_threshold_above_one_invalidates_nothing() -> None:
    assert judge(1.0, release=release(**{"mobile|user": 1.000001}))[0] == "valid"


def test_under_pass_through_only_rules_invalidate() -> None:
    assert judge(0.0, release=pass_through())[:2] == ("valid", "none")
    assert judge(0.0, ("non_browser",), pass_through())[:2] == ("invalid", "non_browser")


@given(st.floats(0, 1, width=32), st.integers(0, 1_000_001))
def test_the_written_score_and_threshold_explain_the_verdict(score: float, millionths: int) -> None:
    threshold = millionths / 1_000_000

    verdict, _, written, shown, _ = judge(score, release=release(**{"mobile|user": threshold}))

    read = json.loads(json.dumps({"score": written, "threshold": shown}))
    assert (verdict == "invalid") == (read["score"] >= read["threshold"])
    assert abs(written - score) <= 0.5e-6


@given(st.floats(0, 1, width=32))
def test_a_written_score_is_a_short_decimal(score: float) -> None:
    written = written_scores(np.array([score], np.float32))[0]

    assert written == float(f"{written:.6f}")


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.sampled_from([(), ("stale_click",)])), max_size=20))
def test_a_batch_is_judged_as_its_clicks_are_alone(rows: list[tuple[float, tuple[str, ...]]]) -> None:
    scores = np.array([score for score, _ in rows], np.float32)

    together = decide(release(), [click()] * len(rows), scores, [rules for _, rules in rows])

    assert list(zip(*together, strict=True)) == [judge(score, rules) for score, rules in rows]


def test_columns_of_unequal_length_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match="longer"):
        decide(release(), [click()], np.zeros(2, np.float32), [()])
