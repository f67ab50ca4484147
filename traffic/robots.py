"""The kinds of robots, and how fast each clicks; what they show is in `disguises`. Pure. None of them buys.

    burst           one account on one address clicks 15 to 60 times, some seconds apart
    low_and_slow    one account on one address, a click every 4 to 16 minutes for hours
    rotating        a botnet: 60 to 200 clicks through many homes and gateways and dozens of identities, one campaign
    session_hopper  one device, a new session or guest every few clicks
    imitator        a person's hours, pace, choice of ads and household, but it comes seven times as often
    competitor      a rival's device drains one campaign, some clicks an hour all through the working day
    crawler         says what it is in its user agent and follows every link, from a data centre

All but the crawler use people's browsers; all but the crawler and some bursts come from people's networks.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from traffic import disguises
from traffic.columns import Clicks, Window, blank, lay_out
from traffic.disguises import Scene
from traffic.people import CLICKS_PER_VISIT, LONGEST_VISIT_MS, Arrivals, paces, rhythm
from traffic.world import UTC_OFFSET_MIN, Floats, Integers

HUMAN = "human"
_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_NEVER_AGAIN = 0.0
# Clicks of each visit, and the gap in ms before each click.
Paces = Callable[[np.random.Generator, int], tuple[Integers, Floats]]
Gaps = Callable[[np.random.Generator, int], Floats]
Busy = Callable[[Integers], Floats]


class RobotKind(NamedTuple):
    """A kind of robot.

    `share` of robots' clicks; `clicks_per_visit` is a mean; `clicks_per_day` of one robot that comes back, 0 if none
    does; `busy` relative load by time, None for robots that never sleep; `show` fills in what the clicks look like.
    """

    name: str
    share: float
    clicks_per_visit: float
    longest_visit_ms: int
    clicks_per_day: float
    busy: Busy | None
    paces: Paces
    show: Callable[[Scene], None]


class Gang(NamedTuple):
    """Robots of one kind: how many come back again and again, among how many people, at which campaign (or any)."""

    pool: int
    population: int
    target: int | None = None


def clicks_of_visits(rng: np.random.Generator, arrivals: Arrivals, window: Window, kind: int, gang: Gang) -> Clicks:
    """Wanted clicks of visits by robots of the kind, an index into `KINDS`."""
    robot = ROBOTS[kind - 1]
    counts, gaps_ms = robot.paces(rng, len(arrivals.who))
    kept, visit, at_ms = lay_out(arrivals.starts_ms, counts, gaps_ms, robot.longest_visit_ms, window)
    clicks = blank(at_ms, kind)
    robot.show(Scene(rng, clicks, visit, arrivals.who[kept], gang.pool, gang.population, gang.target))
    return clicks


def working_hours(at_ms: Integers) -> Floats:
    """From 8 to 18 local time, Monday to Friday; a tenth of it at other times."""
    local_ms = at_ms + UTC_OFFSET_MIN * _MINUTE_MS
    hour, day = local_ms // _HOUR_MS % 24, (local_ms // (24 * _HOUR_MS) + 3) % 7
    return np.where((day < 5) & (hour >= 8) & (hour < 18), 1.0, 0.1)


def _pace(fewest: int, most: int, gaps_ms: Gaps) -> Paces:
    """Any number of clicks from `fewest` to `most` alike."""

    def draw(rng: np.random.Generator, visits: int) -> tuple[Integers, Floats]:
        counts = rng.integers(fewest, most + 1, visits)
        return counts, gaps_ms(rng, int(counts.sum()))

    return draw


def _log_normal(median_ms: float, sigma: float) -> Gaps:
    return lambda rng, clicks: 300 + median_ms * np.exp(sigma * rng.standard_normal(clicks))


def _between(least_ms: float, most_ms: float) -> Gaps:
    return lambda rng, clicks: rng.uniform(least_ms, most_ms, clicks)


ROBOTS: tuple[RobotKind, ...] = (
    RobotKind(
        "burst", 0.18, 37.5, 20 * _MINUTE_MS, _NEVER_AGAIN, None,
        _pace(15, 60, _log_normal(3_000, 1.0)), disguises.burst,
    ),
    RobotKind(
        "low_and_slow", 0.14, 16, 420 * _MINUTE_MS, _NEVER_AGAIN, None,
        _pace(8, 24, _between(4 * _MINUTE_MS, 16 * _MINUTE_MS)), disguises.low_and_slow,
    ),
    RobotKind(
        "rotating", 0.20, 130, 60 * _MINUTE_MS, _NEVER_AGAIN, None,
        _pace(60, 200, _log_normal(6_000, 1.0)), disguises.rotating,
    ),
    RobotKind(
        "session_hopper", 0.14, 40, 40 * _MINUTE_MS, _NEVER_AGAIN, None,
        _pace(20, 60, _log_normal(10_000, 1.0)), disguises.session_hopper,
    ),
    RobotKind(
        "imitator", 0.14, CLICKS_PER_VISIT, LONGEST_VISIT_MS, 20.0, rhythm,
        paces, disguises.imitator,
    ),
    RobotKind(
        "competitor", 0.12, 5, 60 * _MINUTE_MS, 40.0, working_hours,
        _pace(3, 7, _between(3 * _MINUTE_MS, 9 * _MINUTE_MS)), disguises.competitor,
    ),
    RobotKind(
        "crawler", 0.08, 60, 30 * _MINUTE_MS, _NEVER_AGAIN, None,
        _pace(30, 90, _log_normal(7_000, 0.8)), disguises.crawler,
    ),
)  # fmt: skip
# Names of the values of the column `kind`.
KINDS: tuple[str, ...] = (HUMAN, *(robot.name for robot in ROBOTS))
