"""What a report shows, gathered from scored clicks."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from calibrate.curves import Curve
from calibrate.preparation import curves
from calibrate.result import Achieved, Calibrated
from contracts.scored import Scored
from model.evaluate import Evaluation, evaluate
from model.manifest import Training

BINS: Final = 40

Vector = npt.NDArray[np.float64]


class Histogram(NamedTuple):
    """Shares of purchasing clicks and of the rest whose score lies in each of `BINS` equal parts of 0 to 1."""

    purchasing: Vector
    rest: Vector


class Model(NamedTuple):
    """What a model's own thresholds do. `robot_auc` is known of simulated traffic alone."""

    achieved: Achieved
    robot_auc: float | None


class Made(NamedTuple):
    """The release that the model is for, and how the model came about.

    `training`: all clicks that it came of; those from `validation_ms` on only told when to stop. `losses`: weighted
    cross-entropy of training and validation after each epoch, in nats. `weights`: (168,), mean weight of a click by
    hour of the week. Both are empty for a model that was trained elsewhere.
    """

    version: str
    training: Training
    validation_ms: int
    losses: Sequence[tuple[float, float]]
    weights: Sequence[float]


class Material(NamedTuple):
    """`evaluation` is of the held-out clicks if there are some. `made`: None where thresholds alone were set;
    `models`: this one and simpler ones, each calibrated by itself, on the held-out clicks."""

    calibrated: Calibrated
    evaluation: Evaluation
    curves: dict[str, Curve]
    histograms: dict[str, Histogram]
    made: Made | None = None
    models: Mapping[str, Model] = {}


def material(
    calibrated: Calibrated,
    scored: Scored,
    held_out: Scored | None = None,
    made: Made | None = None,
    models: Mapping[str, Model] | None = None,
) -> Material:
    """Of the clicks that set the thresholds, and of those that tested them."""
    tested = scored if held_out is None else held_out
    return Material(
        calibrated=calibrated,
        evaluation=evaluate(tested, calibrated.thresholds, calibrated.goals.busy_over),
        curves=curves(scored, calibrated.goals),
        histograms={name: histogram(scored.rows(scored.slice_index == i)) for i, name in enumerate(scored.slices)},
        made=made,
        models=models or {},
    )


def histogram(scored: Scored) -> Histogram:
    """Of all clicks given."""
    return Histogram(*(_shares(scored.score[rows]) for rows in (scored.purchasing, ~scored.purchasing)))


def _shares(scores: Vector) -> Vector:
    counts = np.histogram(scores, BINS, (0.0, 1.0))[0]
    return np.asarray(counts / max(1, len(scores)), np.float64)
