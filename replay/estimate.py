"""From sampled blocks to totals with an interval. Pure.

A block is some neighbouring records of the feature log: x clicks, of which y flip. Blocks differ in size and neighbours
resemble each other, so the block, not the click, is what was drawn. The ratio estimator and its linearised variance
(W. G. Cochran, Sampling Techniques, 1977, sections 6.4 and 9A.2), for m blocks drawn, a share f of all:

    total = X p,   p = sum(y) / sum(x),   var(p) = (1 - f) m / (m - 1) sum((y - p x)^2) / sum(x)^2

Wilson's interval at the number of clicks that has this variance keeps it honest where few flips, or none, were drawn.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Final, NamedTuple

from msgspec import Struct

from contracts.rates import wilson

CONFIDENCE: Final = 0.99
# Two-sided quantile of the normal distribution at that confidence.
Z99: Final = 2.575829


class Estimate(Struct, frozen=True):
    """A total, and the interval that holds it with `CONFIDENCE`; the three are equal where all was counted."""

    value: float
    low: float
    high: float


class Block(NamedTuple):
    """What was seen in a block: its clicks, and by name counts of them and sums of money."""

    clicks: int
    counts: Mapping[str, int]
    sums: Mapping[str, int]


def estimated(blocks: Sequence[Block], clicks: int, drawn_ratio: float) -> dict[str, Estimate]:
    """Totals over `clicks` of every name that the blocks have; `drawn_ratio` 1 means that the blocks are everything."""
    names = {name for block in blocks for name in block.counts}
    found = {
        name: _count([block.counts.get(name, 0) for block in blocks], blocks, clicks, drawn_ratio) for name in names
    }
    for name in {name for block in blocks for name in block.sums}:
        found[name] = _sum([block.sums.get(name, 0) for block in blocks], blocks, clicks, drawn_ratio)
    return found


def _count(hits: Sequence[int], blocks: Sequence[Block], clicks: int, drawn_ratio: float) -> Estimate:
    if drawn_ratio >= 1:
        return _exactly(sum(hits))
    p, error = _ratio(hits, blocks, drawn_ratio)
    independent = p * (1 - p) / error**2 if error > 0 else float(len(blocks))
    low = min(p - Z99 * error, wilson(p, independent, -Z99))
    high = max(p + Z99 * error, wilson(p, independent, Z99))
    return Estimate(clicks * p, clicks * max(0.0, low), clicks * min(1.0, high))


def _sum(amounts: Sequence[int], blocks: Sequence[Block], clicks: int, drawn_ratio: float) -> Estimate:
    if drawn_ratio >= 1:
        return _exactly(sum(amounts))
    p, error = _ratio(amounts, blocks, drawn_ratio)
    return Estimate(clicks * p, clicks * max(0.0, p - Z99 * error), clicks * (p + Z99 * error))


def _ratio(found: Sequence[int], blocks: Sequence[Block], drawn_ratio: float) -> tuple[float, float]:
    """The ratio and its standard error."""
    sizes = [block.clicks for block in blocks]
    m, all_sizes = len(blocks), sum(sizes)
    p = sum(found) / all_sizes
    squares = sum((y - p * x) ** 2 for x, y in zip(sizes, found, strict=True))
    return p, sqrt((1 - drawn_ratio) * m / max(1, m - 1) * squares) / all_sizes


def _exactly(value: float) -> Estimate:
    return Estimate(float(value), float(value), float(value))
