"""Purchases from before the first click, by accounts that click later: good customers are known from the start. Pure.

purchases    p  p p     p  p  |  p       p        p
clicks                        | c  c  c c   c c  c
             history_days     start
"""

import numpy as np

from traffic import people
from traffic.columns import NONE, PURCHASE, Purchases, Window
from traffic.load import by_rhythm
from traffic.people import Town
from traffic.scenario import Scenario
from traffic.slices import blocks_of, warm_up_of
from traffic.visitors import people_of, town_of
from traffic.world import Floats, Integers

# A shop's purchases by one customer that anybody would look back at.
_MOST_PURCHASES = 8
_PEOPLE, _PAST = 0, 2


def past_purchases(scenario: Scenario) -> Purchases:
    """Purchases of the days before the start, in time order, of people with an account who click in the period."""
    if scenario.history_days == 0:
        return np.empty(0, PURCHASE)
    town = town_of(scenario)
    person = _clicking(scenario, town)
    rng = np.random.default_rng([scenario.seed, _PEOPLE, _PAST])
    counts = np.minimum(rng.poisson(scenario.history_days * _per_day(person, town)), _MOST_PURCHASES)
    bought = np.zeros(int(counts.sum()), PURCHASE)
    bought["at_ms"] = np.sort(_times(rng, scenario, len(bought)))
    bought["number"] = np.arange(len(bought))
    bought["account"] = rng.permutation(np.repeat(people.account_of(person), counts))
    bought["session"] = NONE
    bought["value_micros"] = people.values_micros(rng, len(bought))
    return bought


def _clicking(scenario: Scenario, town: Town) -> Integers:
    """Everybody with an account whose visit starts in the period, by the same chances as later."""
    visitors = people_of(scenario)
    for stretch in warm_up_of(scenario, visitors):
        visitors.arrivals(*stretch)
    seen = np.zeros(town.population, bool)
    for stretch in blocks_of(scenario):
        seen[people.members(visitors.arrivals(*stretch).who, town.population)] = True
    person = np.flatnonzero(seen)
    return person[people.has_account(person)]


def _per_day(person: Integers, town: Town) -> Floats:
    """Mean purchases of each on a day: visits by `people.members`, clicks a visit, purchases a click."""
    share = (np.sqrt(person + 1.0) - np.sqrt(person)) / np.sqrt(town.population)
    clicks = share * town.population * people.CLICKS_PER_PERSON_DAY
    per_day: Floats = clicks * people.PURCHASE_RATIO * people.propensity(person)
    return per_day


def _times(rng: np.random.Generator, scenario: Scenario, count: int) -> Integers:
    before = Window(scenario.start_ms - round(scenario.history_days * 86_400_000), scenario.start_ms)
    load = by_rhythm(people.rhythm, before, 0)
    return load.times(rng.random(count) * before.duration_ms)
