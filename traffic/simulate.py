"""Simulated traffic in time order: same arguments, same bytes. Pure.

Time is worked through in blocks. A visit belongs to the block that it starts in; its clicks that come later are
carried over. So that the first minutes are as busy as the rest, visits from before the start are drawn too, and what
they do before it is left out:

      visits before | start        block         block         block     | end
      x-x----x------|---x          y---y-------------y      z-----z------|- - (never)
        left out      carried          carried over
"""

import heapq
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from contracts.errors import Misconfigured
from contracts.events import Click, Purchase
from traffic import people, robots
from traffic.columns import CLICK, Clicks, Window, to_events
from traffic.world import Integers

PURCHASE_DELAY_S = 600.0
# Small enough that drawing a block does not delay a live sender noticeably.
_BLOCK_CLICKS = 2000
_LONGEST_BLOCK_MS = 30 * 60_000
_WARM_UP_CLICKS = 100_000
# Clicks beyond so many blocks wait in the back row, which is looked through only when they are used up.
_NEAR_BLOCKS = 64


class Truth(Struct, frozen=True):
    """What made a click: never part of the click itself."""

    click_id: str
    kind: str
    robot: bool


class Simulated(NamedTuple):
    """A click with its truth, or a purchase (truth None)."""

    at_ms: int
    event: Click | Purchase
    truth: Truth | None


def simulate(
    seed: int,
    start_ms: int,
    duration_ms: int,
    clicks_per_s: float,
    robot_share: float = 0.2,
    purchase_delay_s: float = PURCHASE_DELAY_S,
) -> Iterator[Simulated]:
    """Clicks from `start_ms` on, and purchases, in time order.

    `clicks_per_s` is the mean over the whole duration, whatever the hours of day in it; `robot_share` of clicks are
    robots'. About 4 % of people's clicks lead to a purchase, `purchase_delay_s` later (median); purchases go on after
    the last click. Raises Misconfigured for arguments that make no traffic.
    """
    if duration_ms <= 0 or clicks_per_s <= 0 or not 0 <= robot_share <= 1 or purchase_delay_s <= 0:
        raise Misconfigured(
            f"A simulation of {duration_ms} ms at {clicks_per_s} clicks/s with robot share {robot_share} and purchases "
            f"after {purchase_delay_s} s cannot be: durations and rates must be positive, the share between 0 and 1."
        )
    period = Window(start_ms, start_ms + duration_ms)
    clicks_per_ms = clicks_per_s / 1000
    visitors = [_people(period, clicks_per_ms * (1 - robot_share), 1000 * purchase_delay_s)]
    visitors += [_robots(kind, period, clicks_per_ms * robot_share) for kind in range(1, len(robots.KINDS))]
    blocks = _blocks(np.random.default_rng(seed), visitors, period, clicks_per_ms)
    return _events(blocks, f"{seed:x}.{start_ms:x}")


class _Visitors(NamedTuple):
    """One kind of visitors: visits per ms at a time, clicks a visit, the longest visit, the clicks of visits."""

    visits_per_ms: Callable[[int], float]
    clicks_per_visit: float
    longest_visit_ms: int
    clicks: Callable[[np.random.Generator, Integers, Window], Clicks]


def _people(period: Window, clicks_per_ms: float, purchase_delay_ms: float) -> _Visitors:
    population = max(1, round(clicks_per_ms * 86_400_000 / people.CLICKS_PER_PERSON_DAY))
    mean_rhythm = float(people.rhythm(np.linspace(*period, 2000).astype(np.int64)).mean())
    visits_per_ms = clicks_per_ms / people.CLICKS_PER_VISIT / mean_rhythm
    return _Visitors(
        visits_per_ms=lambda at_ms: visits_per_ms * float(people.rhythm(np.array([at_ms]))[0]),
        clicks_per_visit=people.CLICKS_PER_VISIT,
        longest_visit_ms=people.LONGEST_VISIT_MS,
        clicks=partial(people.clicks_of_visits, population=population, purchase_delay_ms=purchase_delay_ms),
    )


def _robots(kind: int, period: Window, clicks_per_ms: float) -> _Visitors:
    robot = robots.ROBOTS[kind - 1]
    return _Visitors(
        visits_per_ms=lambda _: clicks_per_ms * robot.share / robot.clicks_per_visit,
        clicks_per_visit=robot.clicks_per_visit,
        longest_visit_ms=robot.longest_visit_ms,
        clicks=partial(robots.clicks_of_visits, robot=robot, kind=kind),
    )


class _Carried:
    """Clicks of a later time, in two rows so that few are touched for a block."""

    def __init__(self, block_ms: int) -> None:
        self._near_ms = _NEAR_BLOCKS * block_ms
        self._horizon_ms = 0
        self._near: list[Clicks] = []
        self._back: list[Clicks] = [np.empty(0, CLICK)]

    def put(self, clicks: Clicks) -> None:
        near = clicks["at_ms"] < self._horizon_ms
        self._near.append(clicks[near])
        self._back.append(clicks[~near])

    def take(self, until_ms: int) -> Clicks:
        """All clicks before this time, in time order."""
        if until_ms > self._horizon_ms:
            self._horizon_ms = until_ms + self._near_ms
            waiting = np.concatenate(self._back)
            self._back = []
            self.put(waiting)
        near = np.concatenate(self._near)
        due = near["at_ms"] < until_ms
        self._near = [near[~due]]
        taken = near[due]
        return taken[np.argsort(taken["at_ms"], kind="stable")]


def _blocks(
    rng: np.random.Generator, visitors: list[_Visitors], period: Window, clicks_per_ms: float
) -> Iterator[Clicks]:
    """Clicks in time order, a block at a time."""
    block_ms = max(1, min(_LONGEST_BLOCK_MS, round(_BLOCK_CLICKS / clicks_per_ms)))
    carried = _Carried(block_ms)
    for visitor in visitors:
        slice_ms = max(1, min(visitor.longest_visit_ms, round(_WARM_UP_CLICKS / clicks_per_ms)))
        for from_ms in range(period.from_ms - visitor.longest_visit_ms, period.from_ms, slice_ms):
            carried.put(_draw(rng, visitor, from_ms, min(from_ms + slice_ms, period.from_ms), period))
    for from_ms in range(*period, block_ms):
        until_ms = min(from_ms + block_ms, period.until_ms)
        for visitor in visitors:
            carried.put(_draw(rng, visitor, from_ms, until_ms, period))
        yield carried.take(until_ms)


def _draw(rng: np.random.Generator, visitor: _Visitors, from_ms: int, until_ms: int, period: Window) -> Clicks:
    """The clicks within the period of the visits that start between the two times."""
    expected = visitor.visits_per_ms((from_ms + until_ms) // 2) * (until_ms - from_ms)
    return visitor.clicks(rng, rng.integers(from_ms, until_ms, size=rng.poisson(expected)), period)


def _events(blocks: Iterator[Clicks], id_prefix: str) -> Iterator[Simulated]:
    pending: list[tuple[int, str, Purchase]] = []
    number = 0
    for block in blocks:
        for click, kind, purchase in to_events(block, id_prefix, number):
            while pending and pending[0][0] <= click.clicked_at_ms:
                at_ms, _, bought = heapq.heappop(pending)
                yield Simulated(at_ms, bought, None)
            name = robots.KINDS[kind]
            yield Simulated(click.clicked_at_ms, click, Truth(click.click_id, name, name != robots.HUMAN))
            if purchase:
                heapq.heappush(pending, (purchase.purchased_at_ms, purchase.purchase_id, purchase))
        number += len(block)
    for at_ms, _, bought in sorted(pending):
        yield Simulated(at_ms, bought, None)
