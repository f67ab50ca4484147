"""A scenario's clicks and purchases as columns, in time order, a block at a time. Pure.

A visit belongs to the block that it starts in; its clicks that come later are carried over, and so are purchases. So
that the first minutes are as busy as the rest, visits from before the start are drawn too, and what they do before it
is left out:

      visits before | start        block         block         block     | end
      x-x----x------|---x          y---y-------------y      z-----z------|- - (never)
        left out      carried          carried over
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from traffic.columns import CLICK, PURCHASE, Clicks, Purchases, purchases_of
from traffic.past import past_purchases
from traffic.scenario import Scenario
from traffic.slices import block_ms, blocks_of, warm_up_of
from traffic.visitors import all_of

# Clicks beyond so many blocks wait in the back row, which is looked through only when they are used up.
_NEAR_BLOCKS = 64


class Block(NamedTuple):
    """Clicks numbered from `first_number` on, and purchases, of one stretch of time; both in time order."""

    first_number: int
    clicks: Clicks
    purchases: Purchases


def blocks(scenario: Scenario) -> Iterator[Block]:
    """All clicks and purchases. The first block has the purchases before the start, the last those after the end."""
    yield Block(0, np.empty(0, CLICK), past_purchases(scenario))
    visitors = all_of(scenario)
    carried = _Carried(block_ms(scenario))
    for kind in visitors:
        for stretch in warm_up_of(scenario, kind):
            carried.put(kind.draw(*stretch))
    number, pending = 0, np.empty(0, PURCHASE)
    for stretch in blocks_of(scenario):
        for kind in visitors:
            carried.put(kind.draw(max(stretch.from_ms, kind.window.from_ms), stretch.until_ms))
        clicks = carried.take(stretch.until_ms)
        pending = np.concatenate((pending, purchases_of(clicks, number)))
        due = pending["at_ms"] < stretch.until_ms
        yield Block(number, clicks, _in_order(pending[due]))
        number, pending = number + len(clicks), pending[~due]
    yield Block(number, np.empty(0, CLICK), _in_order(pending))


def _in_order(purchases: Purchases) -> Purchases:
    return purchases[np.lexsort((purchases["number"], purchases["at_ms"]))]


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
