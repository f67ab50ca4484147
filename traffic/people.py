"""How people click: by the hour of their day, in visits, from shared addresses, now and then buying. Pure.

visits     by hour of day and day of week of the market's local time
clicks     mostly one or two a visit; some people compare offers and make 4 to 200, faster
gaps       log-normal, median 40 s; some impatient double clicks on the same ad
addresses  a household's, an office's, or a mobile carrier's gateway that thousands share
accounts   some have none, some are recognised without being logged in
purchases  one in five people is a customer, and buys seven times as often as the others; a double click is one
           reason to buy, not two: its second click, which nobody should pay for, leads to nothing of its own
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from contracts.events import DEVICES
from traffic.columns import NONE, Clicks, Window, blank, lay_out
from traffic.world import (
    ADS_PER_CAMPAIGN,
    DEVICE_OF_AGENT,
    OFFICES,
    QUERIES,
    UTC_OFFSET_MIN,
    Floats,
    Integers,
    addresses,
    browsers,
    campaigns,
    gateways,
    hashed,
    homes,
    publishers,
    uniform,
)

CLICKS_PER_PERSON_DAY = 3.0
CLICKS_PER_VISIT = 1.88  # mean; a test measures it
LONGEST_VISIT_MS = 20 * 60_000
PURCHASE_RATIO = 0.04  # of people's clicks; a test measures it
# Whoever compares a hundred offers buys one thing.
_LIKELY_RATIO = 0.044

_PEOPLE_PER_OFFICE = 40
# TalkingData's users click once (median), 8 times (p99), 27 times (p99.9) in 20 minutes: from the 99th percentile on
# P(clicks >= n) falls as n^-1.9.
_COMPARING_RATIO = 0.035  # of visits
_COMPARING_FEWEST, _COMPARING_MOST = 4, 200
_COMPARING_EXPONENT = 1.9
_ON_PHONES = [DEVICES.index("mobile"), DEVICES.index("app")]
_DOUBLE_CLICK_MS = 2500
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
# Clicks in each local hour and on each day (Monday first), relative to the mean.
_BY_HOUR = np.array([0.45, 0.28, 0.18, 0.14, 0.14, 0.2, 0.4, 0.7, 0.95, 1.1, 1.2, 1.25,
                     1.3, 1.25, 1.2, 1.2, 1.25, 1.35, 1.5, 1.7, 1.85, 1.75, 1.4, 0.85])  # fmt: skip
_BY_DAY = np.array([1.02, 1.0, 0.98, 0.97, 0.95, 1.0, 1.08])


class Arrivals(NamedTuple):
    """Visits, one an entry: when they start, and a point in [0, 1) that says who comes."""

    starts_ms: Integers
    who: Floats


class Town(NamedTuple):
    """Who lives in the simulation: how many people, and how long after a click they buy (median)."""

    population: int
    purchase_delay_ms: float


def rhythm(at_ms: Integers) -> Floats:
    """How busy people are at these times, relative to the mean over a week; linear between full hours."""
    local_ms = at_ms + UTC_OFFSET_MIN * 60_000
    hours = local_ms / _HOUR_MS
    by_hour = np.interp(hours % 24, np.arange(25), np.append(_BY_HOUR, _BY_HOUR[0]))
    # 1970-01-01 was a Thursday.
    by_day = _BY_DAY[(local_ms // _DAY_MS + 3) % 7]
    busy: Floats = by_hour * by_day / _BY_HOUR.mean()
    return busy


def members(who: Floats, size: int) -> Integers:
    """Number of who comes, out of `size`; squared, so that some come much more often than others."""
    return (size * who**2).astype(np.int64)


def clicks_of_visits(rng: np.random.Generator, arrivals: Arrivals, window: Window, town: Town) -> Clicks:
    """Wanted clicks of these visits."""
    counts, gaps_ms = paces(rng, len(arrivals.who))
    kept, visit, at_ms = lay_out(arrivals.starts_ms, counts, gaps_ms, LONGEST_VISIT_MS, window)
    person = members(arrivals.who[kept], town.population)
    clicks = blank(at_ms, kind=0)
    agent = browsers(uniform(person, 11))
    clicks["ip"] = _address(rng, person, agent, town.population)[visit]
    clicks["user_agent"] = agent[visit]
    clicks["session"] = rng.integers(1 << 62, size=len(kept))[visit]
    identify(rng, clicks, person, visit)
    choose_ads(rng, clicks, visit, len(kept))
    _buy(rng, clicks, visit, propensity(person)[visit], town.purchase_delay_ms)
    return clicks


def paces(rng: np.random.Generator, visits: int) -> tuple[Integers, Floats]:
    """Clicks of each visit (visits,), and the gap in ms before each click (sum of clicks,)."""
    comparing = rng.random(visits) < _COMPARING_RATIO
    many = _COMPARING_FEWEST * (1 - rng.random(visits)) ** (-1 / _COMPARING_EXPONENT)
    counts = np.where(comparing, np.minimum(many, _COMPARING_MOST).astype(np.int64), rng.geometric(0.6, visits))
    clicks = int(counts.sum())
    median_ms = np.repeat(np.where(comparing, 6_000, 40_000), counts)
    gaps_ms = np.clip(median_ms * np.exp(1.3 * rng.standard_normal(clicks)), 800, 600_000)
    impatient = rng.random(clicks) < 0.04
    return counts, np.where(impatient, rng.uniform(250, _DOUBLE_CLICK_MS, clicks), gaps_ms)


def has_account(person: Integers) -> npt.NDArray[np.bool_]:
    """Three in five people have an account: whether each of these does."""
    return uniform(person, 16) < 0.6


def account_of(person: Integers) -> Integers:
    """Identity of each person's account."""
    return hashed(person, 19)


def propensity(person: Integers) -> Floats:
    """How readily each person buys, relative to the mean: one in five is a customer."""
    return np.where(uniform(person, 18) < 0.2, 3.2, 0.45)


def identify(rng: np.random.Generator, clicks: Clicks, person: Integers, visit: Integers) -> None:
    """Most visits of those who have an account are logged in, some anonymous."""
    how = rng.random(len(person))
    registered = has_account(person)
    clicks["account"] = np.where(registered & (how < 0.9), account_of(person), NONE)[visit]
    clicks["logged_in"] = (registered & (how < 0.75))[visit]
    located = uniform(person, 17) < 0.85
    clicks["utc_offset_min"] = np.where(located[visit], UTC_OFFSET_MIN, clicks["utc_offset_min"])


def choose_ads(rng: np.random.Generator, clicks: Clicks, visit: Integers, visits: int) -> None:
    """Half of a visit's clicks go to one campaign; a double click repeats the ad."""
    count = len(clicks)
    favourite = campaigns(rng, visits)[visit]
    clicks["campaign"] = np.where(rng.random(count) < 0.5, favourite, campaigns(rng, count))
    clicks["ad"] = rng.integers(ADS_PER_CAMPAIGN, size=count)
    clicks["publisher"] = publishers(rng, count)
    clicks["query"] = np.where(rng.random(count) < 0.4, rng.integers(len(QUERIES), size=count), NONE)
    again = _repeated(clicks, visit)
    for name in ("campaign", "ad", "publisher", "query"):
        clicks[name][again] = clicks[name][again - 1]


def _repeated(clicks: Clicks, visit: Integers) -> Integers:
    """Rows of the second clicks of double clicks."""
    return np.flatnonzero((np.diff(visit) == 0) & (np.diff(clicks["at_ms"]) < _DOUBLE_CLICK_MS)) + 1


def values_micros(rng: np.random.Generator, count: int) -> Floats:
    """What purchases cost: log-normal, median 30."""
    values: Floats = 10_000 * np.round(3000 * np.exp(0.9 * rng.standard_normal(count)))
    return values


def _address(rng: np.random.Generator, person: Integers, agent: Integers, population: int) -> Integers:
    """Two in three phones are on the road at the moment, a quarter of the other devices at work."""
    phone = np.isin(DEVICE_OF_AGENT[agent], _ON_PHONES)
    office = person % max(1, population // _PEOPLE_PER_OFFICE)
    on_the_road = phone & (rng.random(len(person)) < 0.65)
    at_work = ~phone & (uniform(person, 13) < 0.5) & (rng.random(len(person)) < 0.5)
    return np.where(
        on_the_road,
        gateways(uniform(person, 14)),
        np.where(at_work, addresses(OFFICES, office, 15), homes(person)),
    )


def _buy(rng: np.random.Generator, clicks: Clicks, visit: Integers, readiness: Floats, delay_ms: float) -> None:
    """At most one purchase a visit, some time after its click, log-normal; those who are logged in buy more."""
    count = len(clicks)
    likely = rng.random(count) < _LIKELY_RATIO * readiness * np.where(clicks["logged_in"], 1.4, 0.7)
    likely[_repeated(clicks, visit)] = False
    _, first = np.unique(visit[likely], return_index=True)
    buys = np.flatnonzero(likely)[first]
    delays_ms = delay_ms * np.exp(1.2 * rng.standard_normal(count))
    clicks["purchase_after_ms"][buys] = 1 + delays_ms[buys]
    clicks["value_micros"] = values_micros(rng, count)
    clicks["names_click"] = rng.random(count) < 0.7
