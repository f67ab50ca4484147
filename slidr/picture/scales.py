"""From values to pixels, and where to put ticks. Pure."""

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import NamedTuple


class Scale(NamedTuple):
    """Values from `low` to `high` over pixels from `start` to `end`, linear or logarithmic, with ticks."""

    low: float
    high: float
    start: float
    end: float
    ticks: Sequence[float]
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Pixel of a value; values outside are put on the edge."""
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            part = log10(value / self.low) / log10(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)


def from_zero(highest: float, start: float, end: float, most_ticks: int = 4) -> Scale:
    """From 0 to a round number that is not below `highest`."""
    step = round_step((highest or 1.0) / most_ticks)
    count = max(1, ceil(highest / step - 1e-9))
    return Scale(0.0, count * step, start, end, [i * step for i in range(count + 1)])


def between(lowest: float, highest: float, start: float, end: float, most_ticks: int = 4) -> Scale:
    """From a round number not above `lowest` to one not below `highest`; two that hardly differ are taken for one."""
    largest = max(abs(lowest), abs(highest))
    apart = highest - lowest > 1e-9 * largest
    step = round_step((highest - lowest) / most_ticks if apart else largest or 1.0)
    first, last = floor(lowest / step + 1e-9), ceil(highest / step - 1e-9)
    last = max(last, first + 1)
    return Scale(first * step, last * step, start, end, [i * step for i in range(first, last + 1)])


def whole_numbers(first: int, last: int, start: float, end: float, most_ticks: int = 8) -> Scale:
    """From `first` to `last`, with ticks at whole numbers, `first` among them."""
    step = max(1, int(round_step((last - first) / most_ticks or 1)))
    return Scale(first, max(last, first + 1), start, end, range(first, last + 1, step))


def round_step(least: float) -> float:
    """The smallest of 1, 2, 5, 10, 20, ... (and their parts) that is not below `least`, nor below 1e-300."""
    least = max(least, 1e-300)
    power = 10.0 ** floor(log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def decades(values: Sequence[float], start: float, end: float) -> Scale:
    """Logarithmic, over whole powers of ten that hold all values above 0."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = floor(log10(min(positive))), ceil(log10(max(positive)) + 1e-9)
    ticks = [10.0**power for power in range(low, max(high, low + 1) + 1)]
    return Scale(ticks[0], ticks[-1], start, end, ticks, logarithmic=True)


def label(value: float) -> str:
    """A tick as people write it: 2,000 and 0.1."""
    return f"{value:,.0f}" if value >= 100 or value == round(value) else f"{value:g}"
