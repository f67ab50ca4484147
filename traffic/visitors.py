"""Who visits in a scenario, each kind with chances of its own: an attack more changes nothing else. Pure."""

from collections.abc import Callable
from functools import partial

import numpy as np

from traffic import people, robots
from traffic.attacks import Attack
from traffic.columns import Clicks, Window
from traffic.load import Load, by_counts, by_rhythm, steady
from traffic.people import Arrivals, Town
from traffic.robots import KINDS, ROBOTS, Gang, RobotKind
from traffic.sales import Sale
from traffic.scenario import Scenario
from traffic.world import CAMPAIGN_SHARES, pick

ClicksOf = Callable[[np.random.Generator, Arrivals, Window], Clicks]
_DAY_MS = 86_400_000
_PEOPLE, _ATTACKS, _SALES = 0, 100, 1_000_000
_TARGET = 2


class Visitors:
    """One kind of visitors, who click within `window`. Times must be asked for in order.

    When they come is drawn apart from what they do, so that who comes can be known beforehand.
    """

    def __init__(
        self,
        seeds: list[int],
        window: Window,
        load: Load,
        visits_per_ms: float,
        longest_visit_ms: int,
        clicks_of: ClicksOf,
    ) -> None:
        self.window = window
        self.longest_visit_ms = longest_visit_ms
        self._load = load
        self._visits_per_ms = visits_per_ms
        self._clicks_of = clicks_of
        self._coming, self._doing = (np.random.default_rng([*seeds, part]) for part in range(2))

    def arrivals(self, from_ms: int, until_ms: int) -> Arrivals:
        """Visits that start between the two times."""
        low, high = self._load.between(from_ms, min(until_ms, self.window.until_ms))
        count = self._coming.poisson(max(0.0, high - low) * self._visits_per_ms)
        points = self._coming.random((2, count))
        return Arrivals(self._load.times(low + (high - low) * points[0]), points[1])

    def draw(self, from_ms: int, until_ms: int) -> Clicks:
        """The clicks within the window of the visits that start between the two times."""
        return self._clicks_of(self._doing, self.arrivals(from_ms, until_ms), self.window)


def town_of(scenario: Scenario) -> Town:
    """As many people as make the clicks that are not robots'."""
    clicks_per_day = scenario.clicks_per_ms * (1 - scenario.robot_share) * _DAY_MS
    population = max(1, round(clicks_per_day / people.CLICKS_PER_PERSON_DAY))
    return Town(population, 1000 * scenario.purchase_delay_s)


def people_of(scenario: Scenario) -> Visitors:
    """The people of the scenario's town."""
    return _people(scenario, [scenario.seed, _PEOPLE], scenario.period, 1.0)


def _people(scenario: Scenario, seeds: list[int], window: Window, times: float) -> Visitors:
    """People of the town, so many times as often as usual."""
    load = _rhythmic(scenario, people.rhythm, people.LONGEST_VISIT_MS)
    clicks_of = partial(people.clicks_of_visits, town=town_of(scenario))
    visits_per_ms = times * scenario.clicks_per_ms * (1 - scenario.robot_share) / people.CLICKS_PER_VISIT
    return Visitors(seeds, window, load, visits_per_ms, people.LONGEST_VISIT_MS, clicks_of)


def _sale(scenario: Scenario, sale: Sale, number: int) -> Visitors:
    return _people(scenario, [scenario.seed, _SALES + number], sale.window, sale.factor - 1)


def all_of(scenario: Scenario) -> list[Visitors]:
    """People, robots in the background, attacks, sales."""
    background = [_background(scenario, kind) for kind in range(1, len(KINDS))]
    attacks = [_attack(scenario, attack, number) for number, attack in enumerate(scenario.attacks)]
    sales = [_sale(scenario, sale, number) for number, sale in enumerate(scenario.sales)]
    return [people_of(scenario), *background, *attacks, *sales]


def _background(scenario: Scenario, kind: int) -> Visitors:
    robot = ROBOTS[kind - 1]
    clicks_per_ms = scenario.clicks_per_ms * scenario.robot_share * robot.share
    if robot.busy is None:
        load = steady(scenario.period, robot.longest_visit_ms)
    else:
        load = _rhythmic(scenario, robot.busy, robot.longest_visit_ms)
    gang = Gang(_pool(robot, clicks_per_ms), town_of(scenario).population)
    return _robots([scenario.seed, kind], kind, scenario.period, load, clicks_per_ms, gang)


def _attack(scenario: Scenario, attack: Attack, number: int) -> Visitors:
    kind = KINDS.index(attack.kind)
    robot = ROBOTS[kind - 1]
    seeds = [scenario.seed, _ATTACKS + number]
    clicks_per_ms = attack.clicks_per_s / 1000
    target = int(pick(CAMPAIGN_SHARES, np.random.default_rng([*seeds, _TARGET]).random(1))[0])
    gang = Gang(_pool(robot, clicks_per_ms), town_of(scenario).population, target)
    return _robots(seeds, kind, attack.window, steady(attack.window, robot.longest_visit_ms), clicks_per_ms, gang)


def _robots(seeds: list[int], kind: int, window: Window, load: Load, clicks_per_ms: float, gang: Gang) -> Visitors:
    robot = ROBOTS[kind - 1]
    clicks_of = partial(robots.clicks_of_visits, kind=kind, gang=gang)
    return Visitors(seeds, window, load, clicks_per_ms / robot.clicks_per_visit, robot.longest_visit_ms, clicks_of)


def _rhythmic(scenario: Scenario, busy: robots.Busy, before_ms: int) -> Load:
    if scenario.shape and busy is people.rhythm:
        return by_counts(np.array(scenario.shape, float), scenario.period, before_ms)
    return by_rhythm(busy, scenario.period, before_ms)


def _pool(robot: RobotKind, clicks_per_ms: float) -> int:
    """How many robots share the clicks, if they are robots that come back."""
    return max(1, round(clicks_per_ms * _DAY_MS / robot.clicks_per_day)) if robot.clicks_per_day else 1
