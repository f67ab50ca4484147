"""The reader's rule: which decision records count, and what each does to the bill. Pure.

Two questions, asked of every record of `decisions[p]` in log order:

1. Is it new? Within a partition and a run, source offsets only grow. A record whose source offset is not above the
   last one of that run is a duplicate, so one integer per partition and run is all that a reader has to remember.

        decisions[0]   live 7   live 8   live 9   live 8   live 9   r1 7   live 10
        last of live        7        8        9        9        9      9        10
        last of r1          -        -        -        -        -      7         7
                                              └ a paused worker's late records: dropped

2. What does it change? Of all new records of one click_id, the one with the smallest rank stands: the first place in
   the log (lower partition first: Kafka orders nothing between partitions), and there the highest revision. The
   smallest of a set does not depend on how partitions interleave, so all readers of a log end with the same bill.
"""

from collections.abc import Mapping
from enum import StrEnum

from contracts.events import Decision

# (source partition, source offset, -revision)
Rank = tuple[int, int, int]


class Effect(StrEnum):
    """What one record does to the bill: `BILLED` adds a click, `CORRECTED` replaces its verdict, the rest nothing."""

    BILLED = "billed"
    CORRECTED = "corrected"
    SUPERSEDED = "superseded"  # a higher revision of the same click already stands
    REPEATED_CLICK_ID = "repeated_click_id"  # the click_id is billed at an earlier place: an upstream retry
    DUPLICATE = "duplicate"  # the same record again


CHANGES_THE_BILL = frozenset({Effect.BILLED, Effect.CORRECTED})


def rank(decision: Decision) -> Rank:
    """Order among the records of one click_id; the smallest stands."""
    return decision.source_partition, decision.source_offset, -decision.revision


def effect(standing: Rank | None, new: Rank) -> Effect:
    """What a record of rank `new` does to a click_id billed at `standing` (None: not billed yet)."""
    if standing is None:
        return Effect.BILLED
    if new < standing:
        return Effect.CORRECTED
    if new[:2] != standing[:2]:
        return Effect.REPEATED_CLICK_ID
    return Effect.DUPLICATE if new == standing else Effect.SUPERSEDED


class Deduplicator:
    """Question 1: the last source offset seen, per partition and run."""

    def __init__(self, last_source_offsets: Mapping[int, Mapping[str, int]] | None = None) -> None:
        self._last = {partition: dict(runs) for partition, runs in (last_source_offsets or {}).items()}

    def admit(self, partition: int, decision: Decision) -> bool:
        """True if the record of `decisions[partition]` is new; remembers it."""
        runs = self._last.setdefault(partition, {})
        if decision.source_offset <= runs.get(decision.run, -1):
            return False
        runs[decision.run] = decision.source_offset
        return True

    def last_source_offsets(self, partition: int) -> dict[str, int]:
        """The integers to store: last source offset by run."""
        return dict(self._last.get(partition, {}))


class Fold:
    """Both questions, with the bill in memory: `effective` holds the standing decision of every click_id."""

    def __init__(self) -> None:
        self.effective: dict[str, Decision] = {}
        self._deduplicator = Deduplicator()

    def apply(self, partition: int, decision: Decision) -> Effect:
        """Take the next record of `decisions[partition]`, in log order."""
        if not self._deduplicator.admit(partition, decision):
            return Effect.DUPLICATE
        standing = self.effective.get(decision.click_id)
        outcome = effect(rank(standing) if standing else None, rank(decision))
        if outcome in CHANGES_THE_BILL:
            self.effective[decision.click_id] = decision
        return outcome
