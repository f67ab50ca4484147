"""What a release does to traffic: rates with intervals, and the threshold that keeps to a budget.

IVR   invalidation rate: share of clicks invalidated
FPR   false-positive rate: share of *purchasing* clicks invalidated
"""

from math import floor, sqrt

import numpy as np
import numpy.typing as npt

from contracts.errors import Refused
from contracts.rates import Z95, Rate, rate
from model.decide import SCORE_DECIMALS, SCORE_STEP


def invalidation_rate(invalid: npt.NDArray[np.bool_]) -> Rate:
    """IVR of clicks (n,)."""
    return rate(int(invalid.sum()), len(invalid))


def false_positive_rate(invalid: npt.NDArray[np.bool_], purchasing: npt.NDArray[np.bool_]) -> Rate:
    """FPR of clicks (n,): of those with `purchasing`, how many are invalid."""
    return rate(int((invalid & purchasing).sum()), int(purchasing.sum()))


def certain_share(budget: float, of: int) -> float:
    """The largest share of `of` clicks that shows, with its interval's upper end, that the budget holds.

    Wilson's interval turned around: p = b - z·sqrt(b(1-b)/n). Negative where so few clicks can't show it.
    """
    return budget - Z95 * sqrt(budget * (1 - budget) / of) if of else -1.0


def threshold_at_fpr(
    scores: npt.NDArray[np.float64], budget: float, invalid_anyway: npt.NDArray[np.bool_] | None = None
) -> float:
    """The lowest threshold that invalidates at most the share `budget` of purchasing clicks.

    `scores` (n,) are the *written* scores of purchasing clicks (`decide.written_scores`); `invalid_anyway` (n,) marks
    those that a rule invalidates whatever their score. Ties are never split: if clicks that share a score do not all
    fit into the budget, none of them is invalidated. Raises Refused without purchasing clicks, or if the rules alone
    exceed the budget.
    """
    n = len(scores)
    if n == 0:
        raise Refused("There is no purchasing click to measure the false-positive rate on. Take a longer history.")
    by_rules = np.zeros(n, bool) if invalid_anyway is None else invalid_anyway
    # The tolerance keeps 0.29 x 100 at 29, not 28.
    allowed = floor(budget * n + 1e-9) - int(by_rules.sum())
    if allowed < 0:
        raise Refused(
            f"The rules alone invalidate {by_rules.sum()} of {n} purchasing clicks ({by_rules.mean():.2%}), "
            f"more than the {budget:.2%} allowed. Loosen the rule lists, raise the budget, or take a longer history."
        )
    falling = np.sort(scores[~by_rules])[::-1]
    if allowed >= len(falling):
        return 0.0
    return round(float(falling[allowed]) + SCORE_STEP, SCORE_DECIMALS)


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
