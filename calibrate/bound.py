"""How high the overall FPR may be on time that nobody has seen yet.

Clicks of one hour are not independent (one person buys twice, a shared address is busy), so hours are the blocks by
which chance is measured; days from the eighth day on. With p the FPR, n_i purchasing clicks in block i of B, h_i of
them lost, n = Σ n_i:

    D = max(1, B/(B-1) · Σ (h_i - p n_i)² / (n p (1-p)))     design effect: variance over that of independent clicks
    N = n / D / (1 + T/H)                                    clicks that p is worth, T long, for the H that follow
    bound = Wilson's upper end of p, of N clicks, at Student's quantile of B - 1 degrees of freedom

1 + T/H, since what follows is a sample too: over a time as long as this one its FPR varies as much again.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from contracts.rates import one_sided_z, wilson
from contracts.topics import DAY_MS, HOUR_MS

_DAYS_AS_BLOCKS: Final = 8
_LEAST_BLOCKS: Final = 6
# Of too few blocks none can be estimated; hours of simulated history showed 1.3 to 1.6.
_ASSUMED_EFFECT: Final = 2.0

Flags = npt.NDArray[np.bool_]
Times = npt.NDArray[np.int64]


def upper_bound(
    lost: Flags, clicked_at_ms: Times, confidence: float, horizon_days: float = float("inf"), spared: float = 0.0
) -> float:
    """One-sided upper bound of the FPR, of purchasing clicks (n,) of which some are `lost`; 1 without any.

    `spared` is how many clicks lie right below thresholds that were read off these very clicks: as likely as not the
    next one like them is lost, so they count as lost. Without a horizon the bound is that of the long run.
    """
    n = len(lost)
    if n == 0:
        return 1.0
    share = min(1.0, (float(lost.sum()) + spared) / n)
    days = (int(clicked_at_ms.max()) - int(clicked_at_ms.min()) + HOUR_MS) / DAY_MS
    effect, blocks = design_effect(lost, clicked_at_ms // (DAY_MS if days >= _DAYS_AS_BLOCKS else HOUR_MS))
    z = one_sided_z(confidence, max(_LEAST_BLOCKS, blocks) - 1)
    return min(1.0, wilson(share, n / effect / (1 + days / horizon_days), z))


def design_effect(lost: Flags, block: Times) -> tuple[float, int]:
    """D of the formula, and the number of blocks that it is from."""
    _, place = np.unique(block, return_inverse=True)
    of, hits = np.bincount(place).astype(np.float64), np.bincount(place, weights=lost)
    p, blocks = float(lost.mean()), len(of)
    if blocks < _LEAST_BLOCKS:
        return _ASSUMED_EFFECT, blocks
    if p in (0.0, 1.0):
        return 1.0, blocks
    spread = float(np.sum((hits - p * of) ** 2)) * blocks / (blocks - 1)
    return max(1.0, spread / (len(lost) * p * (1 - p))), blocks
