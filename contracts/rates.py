"""Shares of counted things, and how far they can be believed: what evaluation, calibration and guardrails report in.

Source of the intervals: E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Final

# Two-sided 95 % of the normal distribution.
Z95: Final = 1.959964


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval (Wilson), and the numbers behind it."""

    value: float
    low: float
    high: float
    hits: int
    of: int


def rate(hits: int, of: int) -> Rate:
    """Wilson's score interval of hits/of; of 0 the rate is NaN and the interval everything."""
    if of == 0:
        return Rate(float("nan"), 0.0, 1.0, hits, of)
    p = hits / of
    low, high = wilson(p, of, -Z95), wilson(p, of, Z95)
    return Rate(p, max(0.0, min(low, p)), min(1.0, max(high, p)), hits, of)


def wilson(p: float, of: float, z: float) -> float:
    """End of Wilson's interval of a share `p` of `of` trials, `z` standard errors above (below, if negative) it.

    (p + z²/2n + z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)
    """
    z2 = z * z
    return (p + z2 / (2 * of) + z * sqrt(p * (1 - p) / of + z2 / (4 * of * of))) / (1 + z2 / of)


def one_sided_z(confidence: float, degrees: float = float("inf")) -> float:
    """Quantile of Student's distribution, of the normal one by default: 1.645 at 0.95.

    The expansion of Cornish and Fisher (Abramowitz and Stegun 26.7.5), good to 0.01 from 5 `degrees` of freedom on.
    """
    z = NormalDist().inv_cdf(confidence)
    first = (z**3 + z) / (4 * degrees)
    second = (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
    return z + first + second + third
