"""How robots click: four simple kinds. Pure. None of them buys.

    burst     one account on one address clicks 15 to 70 times, some seconds apart
    rotating  a botnet: 100 to 300 clicks through many home addresses and a dozen made-up accounts, one campaign
    slow      one account on one home address, a click every 4 to 10 minutes for hours
    crawler   says what it is in its user agent and follows every link, from a data centre

All but the crawler use people's browsers; all but the crawler and some bursts come from people's networks.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from traffic.columns import NONE, Clicks, Window, blank, lay_out
from traffic.world import (
    ADS_PER_CAMPAIGN,
    DATA_CENTRE,
    DECLARED_ROBOTS,
    FIRST_DECLARED_ROBOT,
    HOMES,
    UTC_OFFSET_MIN,
    Floats,
    Integers,
    addresses,
    browsers,
    campaigns,
    mix,
    publishers,
)

HUMAN = "human"
_MINUTE_MS = 60_000
_ID_SPACE = 1 << 62


class RobotKind(NamedTuple):
    """A kind of robot: its share of robots' clicks, how many clicks a visit and how far apart, and what they show.

    `show(rng, clicks, visit, visits)` fills in the columns of clicks, of which `visit` (n,) gives the visit's number.
    """

    name: str
    share: float
    fewest_clicks: int
    most_clicks: int
    longest_visit_ms: int
    gaps_ms: Callable[[np.random.Generator, int], Floats]
    show: Callable[[np.random.Generator, Clicks, Integers, int], None]

    @property
    def clicks_per_visit(self) -> float:
        """Mean."""
        return (self.fewest_clicks + self.most_clicks) / 2


def clicks_of_visits(
    rng: np.random.Generator, starts_ms: Integers, window: Window, robot: RobotKind, kind: int
) -> Clicks:
    """Wanted clicks of visits by robots of this kind that start at these times."""
    counts = rng.integers(robot.fewest_clicks, robot.most_clicks + 1, len(starts_ms))
    gaps_ms = robot.gaps_ms(rng, int(counts.sum()))
    visits, visit, at_ms = lay_out(starts_ms, counts, gaps_ms, robot.longest_visit_ms, window)
    clicks = blank(at_ms, kind)
    robot.show(rng, clicks, visit, visits)
    return clicks


def _burst_gaps_ms(rng: np.random.Generator, clicks: int) -> Floats:
    return 300 + rng.exponential(2_500, clicks)


def _show_burst(rng: np.random.Generator, clicks: Clicks, visit: Integers, visits: int) -> None:
    number = rng.integers(_ID_SPACE, size=visits)
    hired = rng.random(visits) < 0.25
    clicks["ip"] = np.where(hired, addresses(DATA_CENTRE, number, 21), addresses(HOMES, number, 21))[visit]
    _pose_as_one_person(rng, clicks, visit, visits)
    _click_ads(rng, clicks, campaigns(rng, visits)[visit], stray=0.2)


def _rotating_gaps_ms(rng: np.random.Generator, clicks: int) -> Floats:
    return rng.exponential(6_000, clicks)


def _show_rotating(rng: np.random.Generator, clicks: Clicks, visit: Integers, visits: int) -> None:
    net = rng.integers(_ID_SPACE >> 10, size=visits)[visit] << 10
    address = net + rng.integers(rng.integers(20, 61, visits)[visit])
    account = net + rng.integers(rng.integers(8, 21, visits)[visit])
    clicks["ip"] = addresses(HOMES, address, 22)
    clicks["account"] = account
    # A made-up account starts a new session every ten minutes, whatever the address.
    clicks["session"] = _hash(_hash(account, 23) + clicks["at_ms"] // (10 * _MINUTE_MS), 24)
    clicks["logged_in"] = True
    clicks["utc_offset_min"] = UTC_OFFSET_MIN
    clicks["user_agent"] = browsers(rng.random(visits))[visit]
    _click_ads(rng, clicks, campaigns(rng, visits)[visit], stray=0.05)


def _slow_gaps_ms(rng: np.random.Generator, clicks: int) -> Floats:
    return rng.uniform(4 * _MINUTE_MS, 10 * _MINUTE_MS, clicks)


def _show_slow(rng: np.random.Generator, clicks: Clicks, visit: Integers, visits: int) -> None:
    clicks["ip"] = addresses(HOMES, rng.integers(_ID_SPACE, size=visits), 25)[visit]
    _pose_as_one_person(rng, clicks, visit, visits)
    _click_ads(rng, clicks, campaigns(rng, visits)[visit], stray=0.3)


def _crawler_gaps_ms(rng: np.random.Generator, clicks: int) -> Floats:
    return 2_000 + rng.exponential(8_000, clicks)


def _show_crawler(rng: np.random.Generator, clicks: Clicks, visit: Integers, visits: int) -> None:
    robot = rng.integers(len(DECLARED_ROBOTS), size=visits)
    clicks["ip"] = addresses(DATA_CENTRE, robot * 64 + rng.integers(64, size=visits), 26)[visit]
    clicks["user_agent"] = FIRST_DECLARED_ROBOT + robot[visit]
    clicks["session"] = rng.integers(_ID_SPACE, size=visits)[visit]
    _click_ads(rng, clicks, campaigns(rng, len(clicks)), stray=0.0)


ROBOTS: tuple[RobotKind, ...] = (
    RobotKind("burst", 0.35, 15, 70, 5 * _MINUTE_MS, _burst_gaps_ms, _show_burst),
    RobotKind("rotating", 0.30, 100, 300, 45 * _MINUTE_MS, _rotating_gaps_ms, _show_rotating),
    RobotKind("slow", 0.20, 12, 28, 280 * _MINUTE_MS, _slow_gaps_ms, _show_slow),
    RobotKind("crawler", 0.15, 30, 90, 25 * _MINUTE_MS, _crawler_gaps_ms, _show_crawler),
)
# Names of the values of the column `kind`.
KINDS: tuple[str, ...] = (HUMAN, *(robot.name for robot in ROBOTS))


def _hash(numbers: Integers, salt: int) -> Integers:
    return (mix(numbers, salt) >> np.uint64(2)).astype(np.int64)


def _pose_as_one_person(rng: np.random.Generator, clicks: Clicks, visit: Integers, visits: int) -> None:
    """One browser and one session a visit; half have an account, the others come as guests."""
    number = rng.integers(_ID_SPACE, size=visits)
    registered = rng.random(visits) < 0.5
    clicks["user_agent"] = browsers(rng.random(visits))[visit]
    clicks["session"] = number[visit]
    clicks["account"] = np.where(registered, number, NONE)[visit]
    clicks["logged_in"] = registered[visit]
    clicks["utc_offset_min"] = UTC_OFFSET_MIN


def _click_ads(rng: np.random.Generator, clicks: Clicks, target: Integers, stray: float) -> None:
    """The target campaign, apart from a share of clicks on any other."""
    count = len(clicks)
    clicks["campaign"] = np.where(rng.random(count) < stray, campaigns(rng, count), target)
    clicks["ad"] = rng.integers(ADS_PER_CAMPAIGN, size=count)
    clicks["publisher"] = publishers(rng, count)
