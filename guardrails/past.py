"""What is usual: the same hours of the weeks before, and the days before. Median and spread, so that one odd day in the
past (a sale, an attack, a fault) changes neither.

    judged                                     |--3 h--|      Tuesday 10:00 to 13:00
    usual    |--3 h--|  ...  |--3 h--|                        the Tuesdays before, of which all three hours are known
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from statistics import median
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contracts.scored import HOURS_OF_WEEK
from contracts.summaries import HOURS, DaySummary
from guardrails.limits import Trailing

# The median of deviations from the median, times this, is the standard deviation of a normal distribution.
_MAD_TO_DEVIATION: Final = 1.4826
# A day with fewer hours than this is no measure for others.
_HOURS_OF_A_DAY: Final = 20
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()

Counts = Callable[[DaySummary], npt.NDArray[np.int64]]
Known = Callable[[DaySummary], Sequence[bool]]


class Usual(NamedTuple):
    """Median of earlier values, and their spread as a standard deviation."""

    median: float
    spread: float


def usual(values: Sequence[float], least: int) -> Usual | None:
    """Median and spread; None of fewer than `least` values."""
    if len(values) < max(1, least):
        return None
    middle = median(values)
    return Usual(middle, _MAD_TO_DEVIATION * median(abs(value - middle) for value in values))


class Stretch(NamedTuple):
    """Some hours up to `end_hour` (1 to 24) of the judged day, what was counted in them and what is usual."""

    hours: int
    end_hour: int
    found: float
    usual: Usual


class Judged(NamedTuple):
    """The day to be judged, and those before it, in the order of time."""

    day: DaySummary
    before: Sequence[DaySummary]
    trailing: Trailing

    @property
    def name(self) -> str:
        """Such as 2024-06-01."""
        return day_name(self.day.day)

    @property
    def days(self) -> list[DaySummary]:
        """Days before that are whole enough to be compared with."""
        return [day for day in self.before if sum(day.whole) >= _HOURS_OF_A_DAY]

    @property
    def complete(self) -> bool:
        """Whether the judged day can be compared with others as a day."""
        return sum(self.day.whole) >= _HOURS_OF_A_DAY

    def stretches(self, hours: Sequence[int], counts: Counts, known: Known) -> Iterator[Stretch]:
        """All stretches of so many hours that end on the judged day and can be compared with earlier weeks."""
        first = min(day.day for day in (self.day, *self.before))
        totals, gaps = _cumulated([*self.before, self.day], first, counts, known)
        starts = HOURS * (self.day.day - first)
        for length in hours:
            for end_hour in range(1, HOURS + 1):
                ends = starts + end_hour - HOURS_OF_WEEK * np.arange(self.trailing.weeks + 1)
                ends = ends[ends >= length]
                ends = ends[gaps[ends] == gaps[ends - length]]
                found = (totals[ends] - totals[ends - length]).tolist()
                if len(ends) and ends[0] == starts + end_hour and (past := self._usual(found[1:])):
                    yield Stretch(length, end_hour, found[0], past)

    def _usual(self, values: list[float]) -> Usual | None:
        return usual(values, self.trailing.least_weeks)


def judged(day: DaySummary, summaries: Sequence[DaySummary], trailing: Trailing) -> Judged:
    """A day, compared with those of `summaries` that lie before it and not too long ago."""
    earliest = day.day - 7 * trailing.weeks - 1
    before = [other for other in summaries if earliest <= other.day < day.day]
    return Judged(day, sorted(before, key=lambda other: other.day), trailing)


def day_name(day: int) -> str:
    """Date of a day that is so many days after 1970-01-01."""
    return date.fromordinal(_EPOCH_ORDINAL + day).isoformat()


def _cumulated(
    days: Sequence[DaySummary], first: int, counts: Counts, known: Known
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Counts, and hours that are not known, from the start of day `first` up to each hour: (hours + 1,) each."""
    hours = HOURS * (max(day.day for day in days) - first + 1)
    values, unknown = np.zeros(hours), np.ones(hours, np.int64)
    for day in days:
        at = slice(HOURS * (day.day - first), HOURS * (day.day - first + 1))
        values[at], unknown[at] = counts(day), ~np.array(known(day))
    return np.append(0.0, values.cumsum()), np.append(0, unknown.cumsum())
