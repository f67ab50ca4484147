"""The verdict: a pure function that worker, replay and audit share."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contracts.events import Click, Verdict
from model.release import Release

NO_REASON: Final = "none"
MODEL_REASON: Final = "model"
SCORE_DECIMALS: Final = 6
_STEPS: Final = 10**SCORE_DECIMALS
# The smallest difference between two written scores.
SCORE_STEP: Final = 1 / _STEPS


class Verdicts(NamedTuple):
    """Verdicts of n clicks, column by column; the columns' names are those of a Decision."""

    verdict: list[Verdict]
    reason: list[str]
    score: list[float]
    threshold: list[float]
    slice: list[str]


def written_scores(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Scores as a Decision shows them: (n,) float32 -> (n,) float64, rounded to six decimals.

    Thresholds are compared with these and not with the raw scores, so that score and threshold of a Decision explain
    its verdict to whoever reads it. The division gives the double nearest to the decimal, which JSON writes and reads
    back in its short form (0.912345).
    """
    rounded: npt.NDArray[np.float64] = np.rint(scores.astype(np.float64) * _STEPS) / _STEPS
    return rounded


def decide(
    release: Release, clicks: Sequence[Click], scores: npt.NDArray[np.float32], fired: Sequence[tuple[str, ...]]
) -> Verdicts:
    """Judge n clicks: invalid if a rule fired, or if the written score reaches the threshold of the click's slice.

    `scores` (n,) are finite, in [0, 1]; `fired` are the rules that fired on each click, the first giving the reason.
    """
    users, guests = release.slices[True], release.slices[False]
    written = written_scores(scores).tolist()
    verdicts: list[Verdict] = []
    reasons, thresholds, slices = [], [], []
    for click, score, rules in zip(clicks, written, fired, strict=True):
        name, threshold = (users if click.logged_in else guests)[click.device]
        if rules:
            verdicts.append("invalid")
            reasons.append(rules[0])
        elif score >= threshold:
            verdicts.append("invalid")
            reasons.append(MODEL_REASON)
        else:
            verdicts.append("valid")
            reasons.append(NO_REASON)
        thresholds.append(threshold)
        slices.append(name)
    return Verdicts(verdicts, reasons, written, thresholds, slices)


def invalid_rows(
    scores: npt.NDArray[np.float64], thresholds: npt.NDArray[np.float64], ruled: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """`decide` for columns: written scores (n,), thresholds of the clicks' slices (n,), whether a rule fired (n,)."""
    invalid: npt.NDArray[np.bool_] = ruled | (scores >= thresholds)
    return invalid
