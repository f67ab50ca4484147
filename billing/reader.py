"""Read `decisions` as a ledger must: duplicates dropped, positions handed over together with what was read.

    batch 1 ──► ledger: apply + store positions, one transaction
    batch 2 ──► ledger: apply ... killed here: neither applied nor stored
                restart with the stored positions ──► batch 2 again, the same records

A reader without stored positions that starts in the middle does not know the last source offset of each run, and a
paused worker that wakes up may write records again that stand before the start:

    decisions[0]   ... 41 42 43 44 45 46 | start  43 44   47 48
                       └── read back ──┘          dropped, since 46 was seen
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, Self

from confluent_kafka import Message, TopicCollection
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from billing.fold import Deduplicator
from billing.log import (
    PATIENCE_S,
    Stretch,
    assign,
    fetch,
    offsets_at,
    open_consumer,
    partitions_of,
    place,
    scan,
    translating,
    whole_log,
)
from billing.records import decode_decision
from contracts.errors import BadInput, Misconfigured, Unavailable
from contracts.events import LIVE, Decision
from contracts.topics import MAX_IN_FLIGHT_RECORDS

# How many live records a reader that starts in the middle reads back in each partition. However late a paused worker
# wakes up, it writes at most the records that it had under way; of more live records than that, one at least is no
# repetition, and the highest source offset among them is the true one. Room for three such workers one after another.
ZOMBIE_BOUND_RECORDS = 4 * MAX_IN_FLIGHT_RECORDS
# How often a following reader looks for partitions that were added.
PARTITION_CHECK_S = 30.0

Start = Literal["earliest", "latest"] | int  # an integer: time in ms


class PartitionPosition(Struct, frozen=True):
    """The next offset of `decisions[p]` to read, and the last source offset seen, by run."""

    next_offset: int
    last_source_offsets: dict[str, int]


class Positions(Struct, frozen=True):
    """All that a reader has to remember. Belongs into the ledger's own transaction."""

    topic_id: str
    partitions: dict[int, PartitionPosition]


class Batch(NamedTuple):
    """New decisions in log order, how many duplicates were dropped between them, and the positions behind them."""

    decisions: list[Decision]
    duplicates: int
    positions: Positions


class BillingReader:
    """Reads the topic in batches, from `positions` if given, else from `start` ("earliest", "latest", a time in ms).

    `config` holds librdkafka's connection settings. Raises Misconfigured if a position has expired, lies beyond the
    log's end or belongs to another topic of the same name; BadInput for a record that is no decision; Unavailable.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        topic: str,
        positions: Positions | None = None,
        start: Start = "earliest",
        zombie_bound_records: int = ZOMBIE_BOUND_RECORDS,
    ) -> None:
        self._topic = topic
        self._zombie_bound_records = zombie_bound_records
        self._topic_id = _topic_id(config, topic)
        self._consumer = open_consumer(config)
        try:
            self._next, self._rule = self._start_at(start) if positions is None else self._resume(positions)
        except BaseException:
            self._consumer.close()
            raise

    def batches(self, until_end: bool) -> Iterator[Batch]:
        """Batches of whatever arrives: for ever, or `until_end` of the log as it is now."""
        if until_end:
            yield from self._batches_until_end()
        else:
            yield from self._batches_for_ever()

    def positions(self) -> Positions:
        """Where the next batch begins."""
        return Positions(
            self._topic_id,
            {p: PartitionPosition(offset, self._rule.last_source_offsets(p)) for p, offset in self._next.items()},
        )

    def close(self) -> None:
        """Give back the connection."""
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- reading

    def _batches_until_end(self) -> Iterator[Batch]:
        held = whole_log(self._consumer, self._topic)
        stretches = {p: Stretch(self._next.setdefault(p, 0), stretch.end) for p, stretch in held.items()}
        for records in scan(self._consumer, self._topic, stretches):
            yield from self._batches(records)

    def _batches_for_ever(self) -> Iterator[Batch]:
        assign(self._consumer, self._topic, self._next)
        check_at_s = time.monotonic() + PARTITION_CHECK_S
        while True:
            records = fetch(self._consumer, self._topic).records
            if records:
                yield from self._batches(records)
            if time.monotonic() > check_at_s:
                self._add_new_partitions()
                check_at_s = time.monotonic() + PARTITION_CHECK_S

    def _add_new_partitions(self) -> None:
        try:
            new = set(partitions_of(self._consumer, self._topic)) - set(self._next)
        except Unavailable:
            return  # whoever follows waits for Kafka to come back; the next check asks again
        if new:
            self._next |= dict.fromkeys(new, 0)
            assign(self._consumer, self._topic, self._next)

    def _batches(self, records: list[Message]) -> Iterator[Batch]:
        """One batch; if a record can't be read, what stands before it is handed over before BadInput is raised."""
        decisions: list[Decision] = []
        duplicates = 0
        for record in records:
            partition, offset = place(record)
            try:
                decision = decode_decision(record)
            except BadInput:
                yield Batch(decisions, duplicates, self.positions())
                raise
            if self._rule.admit(partition, decision):
                decisions.append(decision)
            else:
                duplicates += 1
            self._next[partition] = offset + 1
        yield Batch(decisions, duplicates, self.positions())

    # -- starting

    def _resume(self, positions: Positions) -> tuple[dict[int, int], Deduplicator]:
        if positions.topic_id != self._topic_id:
            raise Misconfigured(
                f"Topic {self._topic} has the id {self._topic_id}, the stored positions belong to "
                f"{positions.topic_id}: the topic was created anew. Start a new ledger, or restore the topic."
            )
        held = whole_log(self._consumer, self._topic)
        offsets = dict.fromkeys(held, 0) | {p: stored.next_offset for p, stored in positions.partitions.items()}
        for partition, offset in offsets.items():
            _check_held(self._topic, partition, offset, held.get(partition))
        return offsets, Deduplicator({p: stored.last_source_offsets for p, stored in positions.partitions.items()})

    def _start_at(self, start: Start) -> tuple[dict[int, int], Deduplicator]:
        held = whole_log(self._consumer, self._topic)
        if start == "earliest":
            return {partition: stretch.first for partition, stretch in held.items()}, Deduplicator()
        if start == "latest":
            offsets = {partition: stretch.end for partition, stretch in held.items()}
        else:
            offsets = offsets_at(self._consumer, self._topic, start)
        rule = Deduplicator({p: self._read_back(p, held[p].first, offset) for p, offset in offsets.items()})
        return offsets, rule

    def _read_back(self, partition: int, first: int, start: int) -> dict[str, int]:
        """Last source offset by run before `start`; reads as far back as the bound on live records asks."""
        records_back = self._zombie_bound_records
        while True:
            back_to = max(first, start - records_back)
            last: dict[str, int] = {}
            live = 0
            for records in scan(self._consumer, self._topic, {partition: Stretch(back_to, start)}):
                for decision in map(decode_decision, records):
                    last[decision.run] = max(decision.source_offset, last.get(decision.run, -1))
                    live += decision.run == LIVE
            if live >= self._zombie_bound_records or back_to == first:
                return last
            records_back *= 4  # corrections fill the end


def _topic_id(config: Mapping[str, Any], topic: str) -> str:
    admin = AdminClient({"log_level": 2, **config})
    with translating(f"Topic {topic}"):
        described = admin.describe_topics(TopicCollection([topic]), request_timeout=PATIENCE_S)
        return str(described[topic].result().topic_id)


def _check_held(topic: str, partition: int, offset: int, held: Stretch | None) -> None:
    if held is None or offset > held.end:
        raise Misconfigured(
            f"{topic}[{partition}]: the stored position is {offset}, but the log ends at {held.end if held else 0}: "
            "records were lost, or the topic is another one. Restore it, or start a new ledger."
        )
    if offset < held.first:
        raise Misconfigured(
            f"{topic}[{partition}]: the stored position is {offset}, but the log now begins at {held.first}: "
            f"{held.first - offset} decisions expired unread. Bill that time from the feature log, which holds the "
            f"same fields, then store {held.first} as the next offset of this partition."
        )
