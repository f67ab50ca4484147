"""How people click: by the hour of their day, in visits, from shared addresses, now and then buying. Pure.

visits     Poisson, by hour of day and day of week of the market's local time
clicks     mostly one or two a visit; a few people compare offers and make 8 to 25
gaps       log-normal, median 40 s; some impatient double clicks on the same ad
addresses  a household's, an office's, or a mobile carrier's gateway that thousands share
accounts   some have none, some are recognised without being logged in
"""

import numpy as np

from contracts.events import DEVICES
from traffic.columns import NONE, Clicks, Window, blank, lay_out
from traffic.world import (
    ADS_PER_CAMPAIGN,
    DEVICE_OF_AGENT,
    GATEWAYS,
    HOMES,
    OFFICES,
    QUERIES,
    UTC_OFFSET_MIN,
    Floats,
    Integers,
    addresses,
    browsers,
    campaigns,
    publishers,
    uniform,
)

CLICKS_PER_PERSON_DAY = 3.0
CLICKS_PER_VISIT = 2.01  # mean; a test measures it
LONGEST_VISIT_MS = 20 * 60_000
PURCHASE_RATIO = 0.04  # of people's clicks

_PEOPLE_PER_HOUSEHOLD = 2
_PEOPLE_PER_OFFICE = 40
_PEOPLE_PER_GATEWAY = 2000
_MOBILE = DEVICES.index("mobile")
_DOUBLE_CLICK_MS = 2500
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
# Clicks in each local hour and on each day (Monday first), relative to the mean.
_BY_HOUR = np.array([0.45, 0.28, 0.18, 0.14, 0.14, 0.2, 0.4, 0.7, 0.95, 1.1, 1.2, 1.25,
                     1.3, 1.25, 1.2, 1.2, 1.25, 1.35, 1.5, 1.7, 1.85, 1.75, 1.4, 0.85])  # fmt: skip
_BY_DAY = np.array([1.02, 1.0, 0.98, 0.97, 0.95, 1.0, 1.08])


def rhythm(at_ms: Integers) -> Floats:
    """How busy people are at these times, relative to the mean over a week; linear between full hours."""
    local_ms = at_ms + UTC_OFFSET_MIN * 60_000
    hours = local_ms / _HOUR_MS
    by_hour = np.interp(hours % 24, np.arange(25), np.append(_BY_HOUR, _BY_HOUR[0]))
    # 1970-01-01 was a Thursday.
    by_day = _BY_DAY[(local_ms // _DAY_MS + 3) % 7]
    busy: Floats = by_hour * by_day / _BY_HOUR.mean()
    return busy


def clicks_of_visits(
    rng: np.random.Generator, starts_ms: Integers, window: Window, population: int, purchase_delay_ms: float
) -> Clicks:
    """Wanted clicks of visits that start at these times, by members of the population."""
    counts = _counts(rng, len(starts_ms))
    visits, visit, at_ms = lay_out(starts_ms, counts, _gaps_ms(rng, int(counts.sum())), LONGEST_VISIT_MS, window)
    # Squared: some people visit much more often than others.
    person = (population * rng.random(visits) ** 2).astype(np.int64)
    clicks = blank(at_ms, kind=0)
    agent = browsers(uniform(person, 11))
    clicks["ip"] = _address(rng, person, agent, population)[visit]
    clicks["user_agent"] = agent[visit]
    clicks["session"] = rng.integers(1 << 62, size=visits)[visit]
    _identify(rng, clicks, person, visit)
    _choose_ads(rng, clicks, visit, visits)
    _buy(rng, clicks, purchase_delay_ms)
    return clicks


def _counts(rng: np.random.Generator, visits: int) -> Integers:
    comparing = rng.random(visits) < 0.03
    return np.where(comparing, rng.integers(8, 26, visits), rng.geometric(0.6, visits))


def _gaps_ms(rng: np.random.Generator, clicks: int) -> Floats:
    gaps = 40_000 * np.exp(1.3 * rng.standard_normal(clicks))
    impatient = rng.random(clicks) < 0.04
    return np.where(impatient, rng.uniform(250, _DOUBLE_CLICK_MS, clicks), np.clip(gaps, 800, 600_000))


def _address(rng: np.random.Generator, person: Integers, agent: Integers, population: int) -> Integers:
    mobile = DEVICE_OF_AGENT[agent] == _MOBILE
    gateway = person % max(1, population // _PEOPLE_PER_GATEWAY)
    office = person % max(1, population // _PEOPLE_PER_OFFICE)
    home = addresses(HOMES, person // _PEOPLE_PER_HOUSEHOLD, 12)
    on_the_road = mobile & (rng.random(len(person)) < 0.6)
    at_work = ~mobile & (uniform(person, 13) < 0.5) & (rng.random(len(person)) < 0.5)
    return np.where(
        on_the_road, addresses(GATEWAYS, gateway, 14), np.where(at_work, addresses(OFFICES, office, 15), home)
    )


def _identify(rng: np.random.Generator, clicks: Clicks, person: Integers, visit: Integers) -> None:
    """Three in five people have an account; most of their visits are logged in, some anonymous."""
    how = rng.random(len(person))
    has_account = uniform(person, 16) < 0.6
    clicks["account"] = np.where(has_account & (how < 0.9), person, NONE)[visit]
    clicks["logged_in"] = (has_account & (how < 0.75))[visit]
    located = uniform(person, 17) < 0.85
    clicks["utc_offset_min"] = np.where(located[visit], UTC_OFFSET_MIN, clicks["utc_offset_min"])


def _choose_ads(rng: np.random.Generator, clicks: Clicks, visit: Integers, visits: int) -> None:
    """Half of a visit's clicks go to one campaign; a double click repeats the ad."""
    count = len(clicks)
    favourite = campaigns(rng, visits)[visit]
    clicks["campaign"] = np.where(rng.random(count) < 0.5, favourite, campaigns(rng, count))
    clicks["ad"] = rng.integers(ADS_PER_CAMPAIGN, size=count)
    clicks["publisher"] = publishers(rng, count)
    clicks["query"] = np.where(rng.random(count) < 0.4, rng.integers(len(QUERIES), size=count), NONE)
    again = np.flatnonzero((np.diff(visit) == 0) & (np.diff(clicks["at_ms"]) < _DOUBLE_CLICK_MS)) + 1
    for name in ("campaign", "ad", "publisher", "query"):
        clicks[name][again] = clicks[name][again - 1]


def _buy(rng: np.random.Generator, clicks: Clicks, delay_ms: float) -> None:
    """Purchases some time after the click, log-normal; those who are logged in buy more."""
    count = len(clicks)
    buys = rng.random(count) < PURCHASE_RATIO * np.where(clicks["logged_in"], 1.4, 0.7)
    clicks["purchase_after_ms"] = np.where(buys, 1 + delay_ms * np.exp(1.2 * rng.standard_normal(count)), NONE)
    clicks["value_micros"] = 10_000 * np.round(3000 * np.exp(0.9 * rng.standard_normal(count)))
    clicks["names_click"] = rng.random(count) < 0.7
