"""When robots attack while you watch: every kind once, one after another with some overlap. Pure.

    hour of the live day (UTC)
    0     2     4     6     8     10    12    14    16    18    20    22    24
    |     |====burst=====|                                                  |   500 clicks/hour
    |           |==crawler==|                                               |   300
    |                 |=====rotating====|                                   |   500
    |                          |==session_hopper=|                          |   400
    |                          |=======competitor======|                    |   250
    |                                   |======low_and_slow=====|           |   250
    |                                         |========imitator=======|     |   250

People make about 1,300 clicks an hour, fewer at night. A competitor works in office hours, and who clicks every few
minutes for hours needs hours to be noticed.
"""

from collections.abc import Iterator, Sequence
from itertools import takewhile, tee
from typing import NamedTuple

from slidr.history import DAY_MS
from traffic.attacks import Attack
from traffic.simulate import Simulated, simulate

HOUR_MS = 3_600_000
LIVE_FROM_MS = 1_718_064_000_000  # Tuesday, 2024-06-11
PEOPLES_CLICKS_PER_DAY = 32_000
# Of all clicks: many while the release learns, few in the days after, when attacks bring theirs.
HISTORY_ROBOT_SHARE = 0.2
BACKGROUND_ROBOT_SHARE = 0.04
# Purchases go on after the last click; those of the next hours still tell of the day's clicks.
_AFTER_MS = 2 * HOUR_MS


class Planned(NamedTuple):
    """An attack by robots of a kind: hours of the live day, and its own clicks an hour."""

    kind: str
    from_h: float
    until_h: float
    clicks_per_h: float


PLAN = (
    Planned("burst", 2, 7, 500),
    Planned("crawler", 4, 8, 300),
    Planned("rotating", 6, 12, 500),
    Planned("session_hopper", 9, 15, 400),
    Planned("competitor", 9, 17, 250),
    Planned("low_and_slow", 12, 20, 250),
    Planned("imitator", 14, 22, 250),
)


def attacks(live_from_ms: int) -> list[Attack]:
    """The plan for the live day that begins at this time."""
    return [
        Attack(
            planned.kind,
            live_from_ms + round(planned.from_h * HOUR_MS),
            live_from_ms + round(planned.until_h * HOUR_MS),
            planned.clicks_per_h / 3_600,
        )
        for planned in PLAN
    ]


def clicks_per_day(robot_share: float) -> float:
    """All clicks of a day if robots make this share of them: there are always as many people."""
    return PEOPLES_CLICKS_PER_DAY / (1 - robot_share)


def two_days(seed: int) -> tuple[Iterator[Simulated], Iterator[Simulated]]:
    """The backlog day and the live day of one simulation: the history's people, other chances."""
    start_ms, end_ms = LIVE_FROM_MS - DAY_MS, LIVE_FROM_MS + DAY_MS + _AFTER_MS
    per_s = clicks_per_day(BACKGROUND_ROBOT_SHARE) * 1_000 / DAY_MS
    attacking = attacks(LIVE_FROM_MS)
    first, second = tee(simulate(seed + 1, start_ms, 2 * DAY_MS, per_s, BACKGROUND_ROBOT_SHARE, attacks=attacking))
    return (
        takewhile(lambda event: event.at_ms < LIVE_FROM_MS, first),
        (event for event in second if LIVE_FROM_MS <= event.at_ms < end_ms),
    )


def under_way(planned: Sequence[Attack], at_ms: int) -> list[str]:
    """Kinds of the robots that attack at this time."""
    return [attack.kind for attack in planned if attack.from_ms <= at_ms < attack.until_ms]
