"""What the clicks of robots show: addresses, browsers, identities and ads. Pure.

address     homes of people who live here (a hijacked device), carriers' gateways (a phone), a data centre
identity    an account that is logged in, or a guest's session
ads         a target campaign, and strays so that it is not the only one
"""

from typing import NamedTuple

import numpy as np

from traffic.columns import NONE, Clicks
from traffic.people import choose_ads, identify, members
from traffic.world import (
    ADS_PER_CAMPAIGN,
    CAMPAIGN_SHARES,
    DATA_CENTRE,
    DECLARED_ROBOTS,
    FIRST_DECLARED_ROBOT,
    OFFICES,
    UTC_OFFSET_MIN,
    Floats,
    Integers,
    addresses,
    browsers,
    campaigns,
    gateways,
    hashed,
    homes,
    pick,
    publishers,
    uniform,
)

_MINUTE_MS = 60_000
# Numbers from here on are robots that live like people.
_IMITATORS = 1 << 40


class Scene(NamedTuple):
    """Clicks to dress up: `visit` (n,) is the number of each one's visit, `who` (visits,) a point in [0, 1) of it."""

    rng: np.random.Generator
    clicks: Clicks
    visit: Integers
    who: Floats
    pool: int
    population: int
    target: int | None

    @property
    def visits(self) -> int:
        """How many."""
        return len(self.who)

    def targets(self, points: Floats) -> Integers:
        """The campaign that each is after: the gang's, else by popularity."""
        return pick(CAMPAIGN_SHARES, points) if self.target is None else np.full(len(points), self.target)


def burst(scene: Scene) -> None:
    """A script on a hired server (15 %), on a phone (35 %) or on somebody's PC."""
    rng, clicks, visit = scene.rng, scene.clicks, scene.visit
    number = _once(scene.who)
    hired = rng.random(scene.visits) < 0.15
    clicks["ip"] = np.where(hired, addresses(DATA_CENTRE, number, 21), _network(scene, number, on_phones=0.4))[visit]
    _pose_as_one_person(scene, number)
    _click_ads(scene, scene.targets(rng.random(scene.visits))[visit], stray=0.2)


def low_and_slow(scene: Scene) -> None:
    """A script on somebody's PC or phone."""
    number = _once(scene.who)
    scene.clicks["ip"] = _network(scene, number, on_phones=0.35)[scene.visit]
    _pose_as_one_person(scene, number)
    _click_ads(scene, scene.targets(scene.rng.random(scene.visits))[scene.visit], stray=0.3)


def rotating(scene: Scene) -> None:
    """Each click from one of 25 to 70 hijacked devices, as one of 12 to 35 identities, half of them guests."""
    rng, clicks, visit = scene.rng, scene.clicks, scene.visit
    net = _once(scene.who)
    node = hashed(net[visit] + rng.integers(rng.integers(25, 71, scene.visits)[visit]), 22)
    identity = hashed(net[visit] + rng.integers(rng.integers(12, 36, scene.visits)[visit]), 23)
    registered = uniform(identity, 27) < 0.5
    clicks["ip"] = _network(scene, node, on_phones=0.35)
    clicks["account"] = np.where(registered, identity, NONE)
    # An identity starts a new session every ten minutes, whatever the address.
    clicks["session"] = hashed(identity + clicks["at_ms"] // (10 * _MINUTE_MS), 24)
    clicks["logged_in"] = registered
    clicks["utc_offset_min"] = UTC_OFFSET_MIN
    clicks["user_agent"] = browsers(uniform(identity, 28))
    _click_ads(scene, scene.targets(rng.random(scene.visits))[visit], stray=0.1)


def session_hopper(scene: Scene) -> None:
    """One device whose cookies are cleared after every third click or so; one identity in five is an account."""
    rng, clicks, visit = scene.rng, scene.clicks, scene.visit
    number = _once(scene.who)
    hops = rng.random(len(clicks)) < 0.35
    identity = hashed(number[visit] + np.cumsum(hops), 25)
    registered = uniform(identity, 27) < 0.2
    clicks["ip"] = _network(scene, number, on_phones=0.4)[visit]
    clicks["user_agent"] = browsers(rng.random(scene.visits))[visit]
    clicks["session"] = identity
    clicks["account"] = np.where(registered, hashed(identity, 29), NONE)
    clicks["logged_in"] = registered
    clicks["utc_offset_min"] = UTC_OFFSET_MIN
    _click_ads(scene, scene.targets(rng.random(scene.visits))[visit], stray=0.3)


def imitator(scene: Scene) -> None:
    """Lives in somebody's household, with an account or without, and chooses ads as people do."""
    rng, clicks, visit = scene.rng, scene.clicks, scene.visit
    number = _IMITATORS + members(scene.who, scene.pool)
    clicks["ip"] = homes(_resident(scene, number))[visit]
    clicks["user_agent"] = browsers(uniform(number, 11))[visit]
    clicks["session"] = rng.integers(1 << 62, size=scene.visits)[visit]
    identify(rng, clicks, number, visit)
    choose_ads(rng, clicks, visit, scene.visits)


def competitor(scene: Scene) -> None:
    """A device of a rival's office, or of a helper's home, that comes back to its one campaign all day."""
    rng, clicks, visit = scene.rng, scene.clicks, scene.visit
    rival = (scene.pool * scene.who).astype(np.int64)
    office = addresses(OFFICES, (uniform(rival, 33) * max(1, scene.population // 40)).astype(np.int64), 15)
    at_home = uniform(rival, 34) < 0.4
    registered = uniform(rival, 35) < 0.4
    clicks["ip"] = np.where(at_home, homes(_resident(scene, rival)), office)[visit]
    clicks["user_agent"] = browsers(uniform(rival, 36))[visit]
    clicks["session"] = rng.integers(1 << 62, size=scene.visits)[visit]
    clicks["account"] = np.where(registered, hashed(rival, 37), NONE)[visit]
    clicks["logged_in"] = registered[visit]
    clicks["utc_offset_min"] = UTC_OFFSET_MIN
    _click_ads(scene, scene.targets(uniform(rival, 38))[visit], stray=0.0)


def crawler(scene: Scene) -> None:
    """Two declared robots with 64 addresses each."""
    rng, clicks, visit = scene.rng, scene.clicks, scene.visit
    robot = rng.integers(len(DECLARED_ROBOTS), size=scene.visits)
    clicks["ip"] = addresses(DATA_CENTRE, robot * 64 + rng.integers(64, size=scene.visits), 26)[visit]
    clicks["user_agent"] = FIRST_DECLARED_ROBOT + robot[visit]
    clicks["session"] = _once(scene.who)[visit]
    _click_ads(scene, campaigns(rng, len(clicks)), stray=0.0)


def _once(who: Floats) -> Integers:
    """A number of its own for each visit: these robots do not come back."""
    return hashed((who * 2.0**53).astype(np.int64), 20)


def _resident(scene: Scene, number: Integers) -> Integers:
    """The person whose household each robot sits in."""
    return (uniform(number, 31) * scene.population).astype(np.int64)


def _network(scene: Scene, number: Integers, on_phones: float) -> Integers:
    """Address of each robot: a carrier's gateway for phones, else somebody's home."""
    phone = uniform(number, 30) < on_phones
    return np.where(phone, gateways(uniform(number, 32)), homes(_resident(scene, number)))


def _pose_as_one_person(scene: Scene, number: Integers) -> None:
    """One browser and one session a visit; half have an account, the others come as guests."""
    clicks, visit = scene.clicks, scene.visit
    registered = scene.rng.random(scene.visits) < 0.5
    clicks["user_agent"] = browsers(scene.rng.random(scene.visits))[visit]
    clicks["session"] = number[visit]
    clicks["account"] = np.where(registered, hashed(number, 39), NONE)[visit]
    clicks["logged_in"] = registered[visit]
    clicks["utc_offset_min"] = UTC_OFFSET_MIN


def _click_ads(scene: Scene, target: Integers, stray: float) -> None:
    """The target campaign (n,), apart from a share of clicks on any other."""
    rng, clicks = scene.rng, scene.clicks
    count = len(clicks)
    clicks["campaign"] = np.where(rng.random(count) < stray, campaigns(rng, count), target)
    clicks["ad"] = rng.integers(ADS_PER_CAMPAIGN, size=count)
    clicks["publisher"] = publishers(rng, count)
