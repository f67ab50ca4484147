"""Distinct counting in sliding windows of 1 h and 24 h, in a fixed number of slots.

An element lies in one of 128 slots, named by its hash; a slot keeps when it was last hit, in quanta of 6 minutes.
The slots hit within a window are a linear counter (Whang et al. 1990): o of m occupied tell of m ln(m / (m - o))
elements.

    quantum of the newest click   q          within 1 h: age q - hit < 10;  within 24 h: age < 240
    slot last hit                 q-3        both
    slot last hit                 q-57       24 h only
    slot last hit                 q-240      emptied

What a slot keeps is the newest of its hits, so a sketch is a function of the set of its clicks, like a counter.
Standard deviation: 6 % at 10 elements, 8 % at 200, 14 % at 400; a full sketch reads 710.
"""

import math

from contracts.features import DISTINCT_WINDOWS, WINDOWS_MS

SLOTS = 128
QUANTUM_MS = 360_000
# 1 h and 24 h, in quanta.
AGES: tuple[int, ...] = tuple(WINDOWS_MS[window] // QUANTUM_MS for window in DISTINCT_WINDOWS)
LONGEST_AGE = AGES[-1]


class DistinctSketch:
    """Slots that were hit, and in which quantum last. The caller names the quantum of the entity's newest click."""

    __slots__ = ("last_hit",)

    def __init__(self, last_hit: dict[int, int] | None = None) -> None:
        self.last_hit: dict[int, int] = last_hit or {}

    def add(self, slot: int, quantum: int, newest: int) -> None:
        """An element in `slot` was seen in `quantum`; a hit older than the longest window changes nothing."""
        if newest - quantum < LONGEST_AGE and quantum > self.last_hit.get(slot, -1):
            self.last_hit[slot] = quantum

    def advance(self, newest: int) -> None:
        """Empty the slots that the longest window no longer reaches from `newest`."""
        horizon = newest - LONGEST_AGE
        if any(hit <= horizon for hit in self.last_hit.values()):
            self.last_hit = {slot: hit for slot, hit in self.last_hit.items() if hit > horizon}

    def occupied(self, newest: int) -> tuple[int, int]:
        """Slots hit within 1 h and within 24 h of quantum `newest`, after `advance(newest)`."""
        horizon = newest - AGES[0]
        return sum(hit > horizon for hit in self.last_hit.values()), len(self.last_hit)


def estimate(occupied: int) -> float:
    """Elements that so many occupied slots tell of. A full sketch is read as if half a slot were free."""
    return SLOTS * math.log(SLOTS / max(SLOTS - occupied, 0.5))
