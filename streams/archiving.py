"""Kafka to the archive: reads topics with `assign()` from where the archive ends, in no consumer group.

    archive      ... 97 98 99|                    position 100, read off the archive
    clicks[0]          98 99 100 101 102 103 |    low 98, end 104
                              └─ assign() from here

    clicks[0]                      102 103 |      low 102: 100 and 101 expired, a gap; refused, or recorded if asked

The topic's id is asked before every commit: what was read from a topic made anew is never archived as the old one's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from confluent_kafka import Message

from archive.commits import State
from archive.writer import Flushed, TopicWriter
from billing.log import Stretch, assign, fetch, open_consumer, place, whole_log
from contracts.errors import Misconfigured, Refused
from contracts.topics import Topic, topic_name
from streams.topic_admin import TopicAdmin
from streams.topic_checks import TopicState

QUEUED_KBYTES: Final = 16_384


@dataclass(frozen=True)
class FlushRule:
    """When rows that wait are written: there are so many, they are so large, or the first waits for so long."""

    rows: int = 100_000
    bytes: int = 64 * 1024 * 1024
    age_ms: int = 60_000


class Progress(NamedTuple):
    """Records between what is read of a topic and the end that it had at the start, and what was archived."""

    topic: Topic
    left: int
    flushed: Flushed | None


class TopicArchiver:
    """Archives one topic. `now_ms` is the wall clock's: it says when to flush, and stands in commits.

    Raises Misconfigured for a topic that is missing, cut or recreated, Refused for records that expired before they
    were archived, and what `TopicWriter` raises.
    """

    def __init__(
        self, kafka: Mapping[str, Any], admin: TopicAdmin, prefix: str, writer: TopicWriter, rule: FlushRule
    ) -> None:
        self._admin = admin
        self._prefix = prefix
        self._writer = writer
        self._rule = rule
        self._name = topic_name(writer.topic, prefix)
        self._consumer = open_consumer({**kafka, "queued.max.messages.kbytes": QUEUED_KBYTES})
        self._next: dict[int, int] = {}
        self._goal: dict[int, int] = {}
        self._waits_since_ms: int | None = None

    @property
    def state(self) -> State:
        """What is archived."""
        return self._writer.state

    @property
    def topic(self) -> Topic:
        """The topic that is archived."""
        return self._writer.topic

    def start(self, now_ms: int, *, skip_expired: bool = False) -> None:
        """Find the positions, take over from other archivers, and begin to read."""
        self._writer.start(self._described().topic_id, now_ms)
        held = whole_log(self._consumer, self._name)
        for partition, stretch in held.items():
            self._next[partition] = self._start_offset(partition, stretch, skip_expired)
        self._writer.flush(now_ms, self._check_topic)  # a gap is on record before anything behind it is read
        self._goal = {partition: stretch.end for partition, stretch in held.items()}
        assign(self._consumer, self._name, self._next)

    def step(self, now_ms: int) -> Progress:
        """Take in what has arrived, and flush if it is time."""
        if self._is_due(now_ms):
            return Progress(self.topic, self.left, self.flush(now_ms))
        for partition, (records, end) in self._fetched().items():
            if end > self._next[partition]:
                self._writer.add(partition, self._next[partition], records, end)
                self._next[partition] = end
        if self._waits_since_ms is None and self._has_rows():
            self._waits_since_ms = now_ms
        return Progress(self.topic, self.left, None)

    @property
    def read(self) -> int:
        """Sum of the positions: it grows with what is read."""
        return sum(self._next.values())

    @property
    def left(self) -> int:
        """Offsets still to be read up to where the topic ended at the start."""
        return sum(max(0, end - self._next[partition]) for partition, end in self._goal.items())

    def flush(self, now_ms: int) -> Flushed | None:
        """Write what waits; None if nothing does. Takes up partitions that were added to the topic."""
        flushed = self._writer.flush(now_ms, self._check_topic)
        self._waits_since_ms = None
        self._take_up_new_partitions()
        return flushed

    def close(self) -> None:
        """Give back the connection. What waits is read again after the next start."""
        self._consumer.close()

    def _is_due(self, now_ms: int) -> bool:
        pending = self._writer.pending
        full = pending.rows + pending.skips >= self._rule.rows or pending.bytes >= self._rule.bytes
        waits = self._waits_since_ms is not None and now_ms - self._waits_since_ms >= self._rule.age_ms
        return full or waits

    def _has_rows(self) -> bool:
        return bool(self._writer.pending.rows or self._writer.pending.skips)

    def _fetched(self) -> dict[int, tuple[list[Message], int]]:
        """By partition, the records that arrived and where reading stands behind them."""
        try:
            fetched = fetch(self._consumer, self._name, timeout_s=0)
        except Misconfigured:
            self._explain_lost_position()
            raise
        records: dict[int, list[Message]] = {}
        for record in fetched.records:
            records.setdefault(place(record)[0], []).append(record)
        # The end may lie behind the last record: transactions leave marks that are no records.
        reached = dict(fetched.ends)
        for partition, found in records.items():
            reached[partition] = max(place(found[-1])[1] + 1, reached.get(partition, 0))
        return {partition: (records.get(partition, []), end) for partition, end in reached.items()}

    def _explain_lost_position(self) -> None:
        """Where Kafka does not know our position any more, there is a better sentence than Kafka's."""
        self._check_topic()
        for partition, stretch in whole_log(self._consumer, self._name).items():
            check_position(self._name, partition, self._next.get(partition, stretch.first), stretch)

    def _start_offset(self, partition: int, held: Stretch, skip_expired: bool) -> int:
        position = self._writer.position(partition)
        if position is None:
            return held.first
        if skip_expired and position < held.first:
            self._writer.skip_expired(partition, held.first)
            return held.first
        check_position(self._name, partition, position, held)
        return position

    def _take_up_new_partitions(self) -> None:
        if self._described().partitions <= len(self._next):
            return
        for partition, stretch in whole_log(self._consumer, self._name).items():
            self._next.setdefault(partition, stretch.first)
        assign(self._consumer, self._name, self._next)

    def _check_topic(self) -> None:
        self._writer.check_topic(self._described().topic_id)

    def _described(self) -> TopicState:
        state = self._admin.describe(self._prefix)[self.topic]
        if state is None:
            raise Misconfigured(f"Topic {self._name} is missing. Make it with `slidr topics create`.")
        return state


def check_position(name: str, partition: int, position: int, held: Stretch) -> None:
    """Refuse to go on where records would be left out silently or taken for others: pure."""
    if position > held.end:
        raise Misconfigured(
            f"The archive of {name}[{partition}] reaches offset {position - 1}, but the partition ends at "
            f"{held.end - 1}: the topic was cut or made anew. Use a new SLIDR_ARCHIVE_URI, or restore the old topic."
        )
    if position < held.first:
        raise Refused(
            f"Offsets {position} to {held.first - 1} of {name}[{partition}] expired before they were archived. They "
            "are not left out silently: `slidr archive --skip-expired` records the gap and goes on. Archive more "
            "often, or raise the retention of the topic."
        )
