"""What a release is expected to do to live clicks: bands of its IVR by hour of the week, its coverage and its FPR.

Made of clicks that neither trained it nor set its thresholds. Of the n clicks of a slice in one hour of the week, UTC,
k are invalid; of the n' in the same hour of any day, k'; of the N at any time, K. Few clicks lean on those of the hour
of the day, and these on the slice, as on m = 200 of their own:

    p' = (k' + m K/N) / (n' + m)             expected IVR of the hour of the day
    p  = (k + m p') / (n + m)                expected IVR of the hour of the week; p' where it was never seen
    s² = between-day variance                how the same hour of the day differs from day to day, chance taken off
    S² = variance of all hours of the slice  how hours differ from each other
    w  = m / (n' + m)                        how much of p' is the slice's: 1 where the hour was seen on no day
    band = Wilson(p, n + min(m, N), ±1.96)  ∓  t sqrt(s² + w² S²), within 0 to 1

t is the quantile 0.975 of Student's distribution with as many degrees of freedom as days were seen, less one (but 3 at
least): 3.1 for up to four days, since these few tell little of how days differ, 2.5 for a week. Of a single day S²
stands for s², with the hours less one as degrees. For coverage and FPR, which are of a day, n is all clicks of the
slice that count and s² is between days. Variances come from hours (days) with 30 clicks at least; sqrt(s²) is 0.03 at
least.
Without any click a band is everything.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contracts.features import HOUR_MS
from contracts.rates import Z95, one_sided_z, wilson
from contracts.scored import HOURS_OF_WEEK, Scored
from contracts.verdicts import Band, SliceBands

SLICE_WEIGHT: Final = 200.0
LEAST_SPREAD: Final = 0.03
_LEAST_CLICKS: Final = 30
_LEAST_DEGREES: Final = 3
_FIRST_MONDAY_H: Final = 96
_DAY_H: Final = 24
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Cells(NamedTuple):
    """Counted clicks in hours or days: when (c,), how many (c,), and how many of them invalid (c,)."""

    at: Ints
    clicks: Floats
    invalid: Floats


def bands(scored: Scored, thresholds: Mapping[str, float], busy_over: float) -> dict[str, SliceBands]:
    """Bands of every slice. `scored` are held-out clicks; sessions over `busy_over` clicks in an hour are busy."""
    invalid, busy = scored.invalid(thresholds), scored.busy(busy_over)
    hours = scored.clicked_at_ms // HOUR_MS
    found = {}
    for index, name in enumerate(scored.slices):
        inside = scored.slice_index == index
        found[name] = SliceBands(
            ivr=_by_hour(_cells(hours[inside], invalid[inside])),
            coverage=_of_a_day(hours, invalid, inside & busy),
            fpr=_of_a_day(hours, invalid, inside & scored.purchasing),
        )
    return found


def _by_hour(cells: Cells) -> tuple[Band, ...]:
    """One band for each hour of the week."""
    total = cells.clicks.sum()
    if total == 0:
        return (Band(0.0, 1.0),) * HOURS_OF_WEEK
    hour_of_day, hour_of_week = cells.at % _DAY_H, (cells.at - _FIRST_MONDAY_H) % HOURS_OF_WEEK
    between_hours = _between(cells, np.zeros_like(cells.at)) or 0.0
    between_days = _between(cells, hour_of_day)
    daily_clicks, daily = _leaning(cells, hour_of_day, _DAY_H, np.full(_DAY_H, cells.invalid.sum() / total))
    place = np.arange(HOURS_OF_WEEK) % _DAY_H
    clicks, expected = _leaning(cells, hour_of_week, HOURS_OF_WEEK, daily[place])
    slice_part = SLICE_WEIGHT / (daily_clicks[place] + SLICE_WEIGHT)
    own = between_hours if between_days is None else between_days
    variance = max(LEAST_SPREAD**2, own) + slice_part**2 * between_hours
    wide = _quantile(cells.at if between_days is None else cells.at // _DAY_H) * np.sqrt(variance)
    of = clicks + min(SLICE_WEIGHT, total)
    return tuple(_band(*hour) for hour in zip(expected.tolist(), of.tolist(), wide.tolist(), strict=True))


def _leaning(cells: Cells, group: Ints, groups: int, on: Floats) -> tuple[Floats, Floats]:
    """Clicks and expected share of each group, (groups,); where clicks are few, near to `on` (groups,)."""
    clicks, invalid = np.zeros(groups), np.zeros(groups)
    np.add.at(clicks, group, cells.clicks)
    np.add.at(invalid, group, cells.invalid)
    return clicks, (invalid + SLICE_WEIGHT * on) / (clicks + SLICE_WEIGHT)


def _of_a_day(hours: Ints, invalid: Flags, chosen: Flags) -> Band:
    days = _cells(hours[chosen] // _DAY_H, invalid[chosen])
    total = float(days.clicks.sum())
    if total == 0:
        return Band(0.0, 1.0)
    variance = max(LEAST_SPREAD**2, _between(days, np.zeros_like(days.at)) or 0.0)
    return _band(float(days.invalid.sum()) / total, total, _quantile(days.at) * sqrt(variance))


def _quantile(seen: Ints) -> float:
    return one_sided_z(0.975, max(_LEAST_DEGREES, len(np.unique(seen)) - 1))


def _band(share: float, of: float, wide: float) -> Band:
    return Band(max(0.0, wilson(share, of, -Z95) - wide), min(1.0, wilson(share, of, Z95) + wide))


def _cells(at: Ints, invalid: Flags) -> Cells:
    found, place = np.unique(at, return_inverse=True)
    counted = [np.bincount(place, weights, len(found)).astype(np.float64) for weights in (None, invalid)]
    return Cells(found, *counted)


def _between(cells: Cells, group: npt.NDArray[Any]) -> float | None:
    """Variance of shares within groups of cells beyond that of chance; None where no group has two cells to compare.

    Per group of c cells: sum (p - mean)² / (c - 1), less the mean of p(1-p)/n; the mean over groups by c - 1.
    """
    enough = cells.clicks >= _LEAST_CLICKS
    clicks, group = cells.clicks[enough], group[enough]
    share = cells.invalid[enough] / clicks
    squares = chance = degrees = 0.0
    for one in np.unique(group):
        inside = group == one
        if (more := int(inside.sum()) - 1) > 0:
            own, of = share[inside], clicks[inside]
            squares += float(((own - own.mean()) ** 2).sum())
            chance += more * float((own * (1 - own) / of).mean())
            degrees += more
    return None if degrees == 0 else max(0.0, (squares - chance) / degrees)
