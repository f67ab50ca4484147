"""What thresholds do to traffic: overall, by slice, by hour of the week, and by what made the clicks.

IVR        share of clicks invalidated
FPR        share of purchasing clicks invalidated
coverage   share invalidated of clicks in sessions with more than k ad clicks in an hour
recall     share invalidated of clicks of a kind; of simulated traffic alone
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contracts.rates import Rate, rate
from contracts.scored import HOURS_OF_WEEK, Scored


@dataclass(frozen=True)
class Metrics:
    """The three rates of some clicks, each with its 95 % interval."""

    ivr: Rate
    fpr: Rate
    coverage: Rate


@dataclass(frozen=True)
class Evaluation:
    """Metrics of all clicks and of each slice; of each of the 168 hours of the week, Monday 0:00 first; recall."""

    overall: Metrics
    slices: dict[str, Metrics]
    hours_of_week: list[Metrics]
    recall: dict[str, Rate]


def evaluate(scored: Scored, thresholds: Mapping[str, float], busy_over: float = 5) -> Evaluation:
    """Measure thresholds, one for each slice; robotic coverage looks at sessions with more than `busy_over` clicks."""
    invalid, busy = scored.invalid(thresholds), scored.busy(busy_over)

    def each(place: npt.NDArray[np.int16], count: int) -> list[Metrics]:
        everything = np.ones(len(invalid), bool)
        columns = [_rates(invalid, of, place, count) for of in (everything, scored.purchasing, busy)]
        return [Metrics(*found) for found in zip(*columns, strict=True)]

    return Evaluation(
        overall=each(np.zeros(len(invalid), np.int16), 1)[0],
        slices=dict(zip(scored.slices, each(scored.slice_index, len(scored.slices)), strict=True)),
        hours_of_week=each(scored.hour_of_week, HOURS_OF_WEEK),
        recall=_recall(scored, invalid),
    )


def _recall(scored: Scored, invalid: npt.NDArray[np.bool_]) -> dict[str, Rate]:
    if scored.kinds is None or scored.kind_index is None:
        return {}
    found = _rates(invalid, np.ones(len(invalid), bool), scored.kind_index, len(scored.kinds))
    return {kind: share for kind, share in zip(scored.kinds, found, strict=True) if share.of}


def _rates(
    invalid: npt.NDArray[np.bool_], of: npt.NDArray[np.bool_], place: npt.NDArray[np.int16], count: int
) -> list[Rate]:
    """Of the clicks `of`, how many are invalid, at each of `count` places."""
    hits = np.bincount(place[invalid & of], minlength=count)
    return [rate(int(hit), int(all_)) for hit, all_ in zip(hits, np.bincount(place[of], minlength=count), strict=True)]


def area_under_curve(scores: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> float:
    """Probability that a positive click scores above another one, ties counting half; NaN if one kind is missing.

    The rank-sum statistic of Mann and Whitney, AUC = (sum of the positives' ranks - p(p+1)/2) / (p·q).
    """
    p, q = int(positive.sum()), int((~positive).sum())
    if p == 0 or q == 0:
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[positive].sum() - p * (p + 1) / 2) / (p * q))
