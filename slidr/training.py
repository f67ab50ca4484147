"""From a history to a written release: labels, network, threshold, and a measurement on clicks that taught nothing.

history   |------------- 4/7 -------------|---- 1/7 ----|---- 1/7 ----|---- 1/7 ----|   by time
           the network learns              and stops     threshold     measured
purchases  known by the end of validation make labels; later ones only calibrate and measure
"""

import hashlib
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from math import isnan
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contracts.errors import Refused
from contracts.rates import Rate
from model.evaluate import (
    area_under_curve,
    certain_share,
    false_positive_rate,
    invalidation_rate,
    threshold_at_fpr,
)
from model.export import export
from model.labels import label
from model.manifest import SLICES, Training
from model.release import Draft, Release, columns_of, write_release
from model.scorer import scorer_for
from model.train import Epoch, Sample, Schedule, learnable_features, train
from model.weights import cells, sample_weights
from rules.ruleset import RuleSet
from slidr.history import History
from streams.judge import Judge, Judged
from traffic.robots import HUMAN

_PARTS: Final = 7
_PART_STARTS: Final = (0, 4, 5, 6, _PARTS)
_LEAST_CLICKS: Final = 1000
# Rows on which the exported graph is compared with torch.
_PARITY_ROWS: Final = 10_000
# While the threshold is not known: scores end at 1.
_NEVER: Final = 2.0

BoolVector = npt.NDArray[np.bool_]


class Parts(NamedTuple):
    """The history cut by time: rows of each part."""

    training: slice
    validation: slice
    calibration: slice
    test: slice


@dataclass(frozen=True)
class Measured:
    """How a release does on clicks that it was not fitted to.

    `invalid_by_kind`: share of clicks invalidated by what made them, and `robot_auc`: how often a robot's click scores
    above a person's (NaN without one of them); both are known of simulated traffic alone.
    """

    ivr: Rate
    fpr: Rate
    robot_auc: float
    invalid_by_kind: dict[str, float]


@dataclass(frozen=True)
class Report:
    """What was trained from how many clicks, and how it does on the last part of them."""

    version: str
    clicks: int
    epochs: int
    threshold: float
    fpr_budget: float
    measured: Measured

    def metrics(self) -> dict[str, float]:
        """The numbers that the release's manifest keeps."""
        measured = self.measured
        return {
            "ivr": measured.ivr.value,
            "fpr": measured.fpr.value,
            "fpr_low": measured.fpr.low,
            "fpr_high": measured.fpr.high,
            "fpr_budget": self.fpr_budget,
            **({} if isnan(measured.robot_auc) else {"robot_auc": measured.robot_auc}),
            **{f"invalid_{kind}": share for kind, share in measured.invalid_by_kind.items()},
        }


class Recipe(NamedTuple):
    """How to train: the release's rules, the share of purchasing clicks that it may invalidate, and the schedule."""

    rules: RuleSet
    fpr_budget: float
    schedule: Schedule
    created_at_ms: int


def train_release(
    history: History, recipe: Recipe, models_uri: str, on_epoch: Callable[[Epoch], None] = lambda epoch: None
) -> Report:
    """Train a network, set one threshold for all slices, measure, and write the release.

    The threshold is set where the interval of the false-positive rate ends within the budget.
    Raises Refused for a history that teaches nothing, or a budget that can't be shown to hold.
    """
    parts = split(history)
    purchasing = label(history.clicks, history.purchases).purchasing
    for part in (parts.calibration, parts.test):
        _check_purchases(purchasing[part])
    epochs: list[Epoch] = []

    def heard(epoch: Epoch) -> None:
        epochs.append(epoch)
        on_epoch(epoch)

    candidate = _learn(history, parts, recipe, heard)
    scorer = scorer_for(candidate)
    judged = _judge(Judge(candidate, scorer, recipe.rules), history, parts.calibration)
    threshold = _threshold(judged, purchasing[parts.calibration], recipe.fpr_budget)
    release = replace(candidate, thresholds=dict.fromkeys(SLICES, threshold))
    judged = _judge(Judge(release, scorer, recipe.rules), history, parts.test)
    measured = _measure(judged, np.array(history.kinds[parts.test]), purchasing[parts.test])
    report = Report(release.version, len(history.clicks), len(epochs), threshold, recipe.fpr_budget, measured)
    write_release(models_uri, release.version, _draft(release, history, parts, recipe, report))
    return report


def split(history: History) -> Parts:
    """Cut by equal spans of time. Raises Refused for a history too short to cut."""
    times = history.timestamps_ms
    if len(times) < _LEAST_CLICKS:
        raise Refused(
            f"The history has {len(times)} clicks; at least {_LEAST_CLICKS} are needed to train, calibrate and measure "
            "on different ones. Take a longer one."
        )
    span_ms = times[-1] + 1 - times[0]
    cuts = [bisect_left(times, times[0] + span_ms * part / _PARTS) for part in _PART_STARTS]
    return Parts(*(slice(start, end) for start, end in pairwise(cuts)))


def _check_purchases(purchasing: BoolVector) -> None:
    if not purchasing.any():
        raise Refused(
            f"None of {len(purchasing)} clicks in a later part of the history led to a purchase, so the false-positive "
            "rate cannot be measured. Take a longer history, and check that purchases are in it."
        )


def _learn(history: History, parts: Parts, recipe: Recipe, on_epoch: Callable[[Epoch], None]) -> Release:
    """A release whose model has learned and whose threshold nothing reaches."""
    known_ms = history.timestamps_ms[parts.calibration.start]
    seen = slice(0, parts.validation.stop)
    human = label(history.clicks[seen], [p for p in history.purchases if p.purchased_at_ms < known_ms]).human
    cell = cells(history.clicks[seen])
    feature_ids = learnable_features(history.timestamps_ms[parts.training.stop - 1] - history.timestamps_ms[0])
    columns = columns_of(feature_ids)

    def sample(part: slice) -> Sample:
        rows = history.features[part]
        features = rows if columns is None else rows[:, columns]
        return Sample(features, ~human[part], sample_weights(cell[part], human[part]))

    validation = sample(parts.validation)
    network = train(sample(parts.training), validation, feature_ids, recipe.schedule, on_epoch)
    onnx = export(network, validation.features[:_PARITY_ROWS])
    return Release(
        version=_version(onnx, recipe.created_at_ms),
        feature_ids=feature_ids,
        columns=columns,
        thresholds=dict.fromkeys(SLICES, _NEVER),
        rules_json=recipe.rules.to_json(),
        onnx=onnx,
        manifest=None,
    )


def _version(onnx: bytes, created_at_ms: int) -> str:
    """Time, so that names sort as they were made, and a digest, so that two of one second differ."""
    at = datetime.fromtimestamp(created_at_ms / 1000, UTC)
    return f"{at:%Y%m%dT%H%M%SZ}-{hashlib.sha256(onnx).hexdigest()[:8]}"


def _judge(judge: Judge, history: History, part: slice) -> Judged:
    return judge.judge(history.clicks[part], history.timestamps_ms[part], history.features[part])


def _threshold(judged: Judged, purchasing: BoolVector, fpr_budget: float) -> float:
    """The lowest threshold of which these clicks show, chance considered, that it keeps to the budget."""
    allowed = certain_share(fpr_budget, of := int(purchasing.sum()))
    if allowed < 0:
        raise Refused(
            f"{of} purchasing clicks are too few to show that a false-positive budget of {fpr_budget:.2%} holds. "
            "Take a longer history or raise the budget."
        )
    scores, by_rules = np.array(judged.verdicts.score), np.array([bool(rules) for rules in judged.fired])
    return threshold_at_fpr(scores[purchasing], allowed, by_rules[purchasing])


def _measure(judged: Judged, kinds: npt.NDArray[Any], purchasing: BoolVector) -> Measured:
    invalid = np.array(judged.verdicts.verdict) == "invalid"
    return Measured(
        ivr=invalidation_rate(invalid),
        fpr=false_positive_rate(invalid, purchasing),
        robot_auc=area_under_curve(np.array(judged.verdicts.score), kinds != HUMAN),
        invalid_by_kind={kind: float(invalid[kinds == kind].mean()) for kind in sorted(set(kinds.tolist()))},
    )


def _draft(release: Release, history: History, parts: Parts, recipe: Recipe, report: Report) -> Draft:
    assert release.onnx is not None
    return Draft(
        onnx=release.onnx,
        rules_json=release.rules_json,
        thresholds=release.thresholds,
        feature_ids=release.feature_ids,
        training=Training(
            from_ms=history.timestamps_ms[0],
            to_ms=history.timestamps_ms[parts.calibration.start],
            clicks=parts.validation.stop,
            seed=recipe.schedule.seed,
        ),
        metrics=report.metrics(),
        created_at_ms=recipe.created_at_ms,
    )
