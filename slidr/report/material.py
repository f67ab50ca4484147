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


class Material(NamedTuple):
    """`evaluation` is of the held-out clicks if there are some. `weights`: (168,), of the hours of the week;
    `models`: this one and simpler ones, each calibrated by itself, on the held-out clicks."""

    calibrated: Calibrated
    evaluation: Evaluation
    curves: dict[str, Curve]
    histograms: dict[str, Histogram]
    weights: Sequence[float] = ()
    models: Mapping[str, Model] = {}


def material(
    calibrated: Calibrated,
    scored: Scored,
    held_out: Scored | None = None,
    weights: Sequence[float] = (),
    models: Mapping[str, Model] | None = None,
) -> Material:
    """Of the clicks that set the thresholds, and of those that tested them."""
    tested = scored if held_out is None else held_out
    return Material(
        calibrated=calibrated,
        evaluation=evaluate(tested, calibrated.thresholds, calibrated.goals.busy_over),
        curves=curves(scored, calibrated.goals),
        histograms={name: histogram(scored.rows(scored.slice_index == i)) for i, name in enumerate(scored.slices)},
        weights=weights,
        models=models or {},
    )


def histogram(scored: Scored) -> Histogram:
    """Of all clicks given."""
    return Histogram(*(_shares(scored.score[rows]) for rows in (scored.purchasing, ~scored.purchasing)))


def _shares(scores: Vector) -> Vector:
    counts = np.histogram(scores, BINS, (0.0, 1.0))[0]
    return np.asarray(counts / max(1, len(scores)), np.float64)
