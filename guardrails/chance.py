"""Whether chance explains a count: independent events, and the spread that was seen before. Both must be ruled out."""

from math import exp, lgamma, log
from statistics import NormalDist
from typing import Final

# From here on the normal distribution does.
_MANY: Final = 10_000.0


def ruled_out(found: float, expected: float, spread: float, standard_errors: float) -> bool:
    """Whether `found` events are too far from `expected` ones, in the direction in which they are.

    That is so if a Poisson distribution has a tail beyond `found` smaller than the normal one's beyond
    `standard_errors`, and if `found` lies beyond so many times `spread`.
    """
    if abs(found - expected) <= standard_errors * spread:
        return False
    tail = _at_most(found, expected) if found < expected else _at_least(found, expected)
    return tail < NormalDist().cdf(-standard_errors)


def _at_least(found: float, expected: float) -> float:
    if expected > _MANY:
        return NormalDist(expected, expected**0.5).cdf(2 * expected - found)
    # Beyond the mean terms fall faster than geometrically.
    count, total, term = found, 0.0, _term(found, expected)
    while term > total * 1e-9:
        total, count = total + term, count + 1
        term *= expected / count
    return total


def _at_most(found: float, expected: float) -> float:
    if expected > _MANY:
        return NormalDist(expected, expected**0.5).cdf(found)
    count, total, term = found, 0.0, _term(found, expected)
    while count >= 0 and term > total * 1e-9:
        total, term = total + term, term * count / expected
        count -= 1
    return total


def _term(count: float, expected: float) -> float:
    """Poisson probability of the count."""
    if expected <= 0:
        return 1.0 if count == 0 else 0.0
    return exp(count * log(expected) - expected - lgamma(count + 1))
