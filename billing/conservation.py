"""Conservation: every valid click has exactly one live decision, and nothing else has one. Pure.

    clicks[p]      0 a    1 b    2 (not a click)    3 a    4 c
    decisions[p]   0 a    1 b    0 a                3 a
                   clicks 4, decisions 3, missing 1 (offset 4), duplicates 1, repeated click_ids 1

It reads raw decision records and applies the reader's rule itself, so a record that the rule would wrongly drop shows
as missing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import astuple

from billing.fold import Deduplicator
from contracts.events import LIVE, Decision

EXAMPLES_KEPT = 10


class ClickPlace(NamedTuple):
    """One record of `clicks`; `click_id` is None if it is not a valid click."""

    partition: int
    offset: int
    click_id: str | None


class Counts(Struct):
    """What was found. `clicks` = `decisions` + `missing`; of the decisions, `repeated_click_ids` are not billed."""

    clicks: int = 0  # valid records of `clicks`
    decisions: int = 0  # valid clicks with a live decision, after the reader's rule
    missing: int = 0  # valid clicks without one
    duplicates: int = 0  # records that the reader's rule drops
    conflicting: int = 0  # of these, such as say something else than the record that counts
    repeated_click_ids: int = 0  # decisions on a click_id that is billed at another place
    unexpected: int = 0  # live decisions on no valid click: no such offset, a bad record, another click_id
    corrections: int = 0  # records of replays, after the reader's rule

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


class Conservation(Struct):
    """Counts by partition, and the first few places that are missing or unexpected, as (partition, offset)."""

    partitions: dict[int, Counts]
    missing_places: list[tuple[int, int]]
    unexpected_places: list[tuple[int, int]]

    @property
    def total(self) -> Counts:
        """Over all partitions."""
        return sum(self.partitions.values(), Counts())

    @property
    def holds(self) -> bool:
        """No click without a decision, no decision without a click, no two that disagree."""
        total = self.total
        return total.missing == total.conflicting == total.unexpected == 0


def check_conservation(clicks: Iterable[ClickPlace], decisions: Iterable[tuple[int, Decision]]) -> Conservation:
    """Compare all records of `clicks` with all of `decisions`: pairs (partition, record), by partition in log order.

    Holds about 300 bytes a click in memory. Both logs must be at rest: a click not decided yet shows as missing.
    """
    audit = _Audit()
    for click in clicks:
        audit.expect(click)
    for partition, decision in decisions:
        audit.take(partition, decision)
    return audit.result()


class _Audit:
    def __init__(self) -> None:
        self._counts: dict[int, Counts] = defaultdict(Counts)
        self._undecided: dict[int, dict[int, str]] = defaultdict(dict)  # partition -> offset -> click_id
        self._seen_ids: set[str] = set()
        self._fingerprints: dict[tuple[int, str], dict[int, int]] = defaultdict(dict)  # (partition, run) -> by offset
        self._rule = Deduplicator()
        self._unexpected: list[tuple[int, int]] = []

    def expect(self, click: ClickPlace) -> None:
        if click.click_id is not None:
            self._counts[click.partition].clicks += 1
            self._undecided[click.partition][click.offset] = click.click_id

    def take(self, partition: int, decision: Decision) -> None:
        counts = self._counts[partition]
        fingerprints = self._fingerprints[partition, decision.run]
        if not self._rule.admit(partition, decision):
            counts.duplicates += 1
            counts.conflicting += fingerprints.get(decision.source_offset) != _fingerprint(decision)
            return
        fingerprints[decision.source_offset] = _fingerprint(decision)
        if decision.run != LIVE:
            counts.corrections += 1
            return
        self._settle(counts, partition, decision)

    def _settle(self, counts: Counts, partition: int, decision: Decision) -> None:
        expected = self._undecided[partition].get(decision.source_offset)
        if expected != decision.click_id or decision.source_partition != partition:
            counts.unexpected += 1
            self._unexpected.append((partition, decision.source_offset))
            return
        del self._undecided[partition][decision.source_offset]
        counts.decisions += 1
        counts.repeated_click_ids += decision.click_id in self._seen_ids
        self._seen_ids.add(decision.click_id)

    def result(self) -> Conservation:
        for partition, undecided in self._undecided.items():
            self._counts[partition].missing = len(undecided)
        partitions = dict(sorted(self._counts.items()))
        return Conservation(partitions, list(islice(self._missing(), EXAMPLES_KEPT)), self._unexpected[:EXAMPLES_KEPT])

    def _missing(self) -> Iterator[tuple[int, int]]:
        for partition, undecided in sorted(self._undecided.items()):
            yield from ((partition, offset) for offset in undecided)


_DECIDED_AT = Decision.__struct_fields__.index("decided_at_ms")


def _fingerprint(decision: Decision) -> int:
    # Two workers that decide the same do it at different times.
    fields = astuple(decision)
    return hash(fields[:_DECIDED_AT] + fields[_DECIDED_AT + 1 :])
