"""Writes the markers of `decision-markers`: looks at `clicks` after an hour has ended, and waits until all is decided.

    12:00 ends ─► 12:05 look: clicks[p] ends at 100 ─► decisions[p] shows 97, then 99 ─► marker 12:00, clicks_end 100

What is decided is read off `decisions` itself, not off the workers' commits or words. Killed anywhere and started
again, it looks anew: the hour then holds a little more. Of hours that passed meanwhile only the newest gets a marker,
which closes those before. Two of them at once do no harm, since the first marker of an hour counts.
"""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final, NamedTuple

import msgspec
from confluent_kafka import Producer

from billing.conservation import ClickPlace
from billing.finality import Finality, ended_hour, is_decided, live_tail
from billing.log import Stretch, open_consumer, partitions_of, scan, translating, whole_log
from billing.reader import ZOMBIE_BOUND_RECORDS
from billing.records import click_place, decode_decision, decode_marker
from contracts.errors import Unavailable
from contracts.events import FinalityMarker
from contracts.topics import DAY_MS, HOUR_MS, Topic, topic_name

_TAIL_RECORDS: Final = 500
_FLUSH_S: Final = 30.0


class ClosingRule(NamedTuple):
    """When an hour is looked at, and until when corrections change its invoice, all in ms."""

    grace_ms: int = 300_000
    corrections_ms: int = 30 * DAY_MS
    hour_ms: int = HOUR_MS


class Look(NamedTuple):
    """Where `clicks[p]` ended when it was looked at, after the hour's end."""

    hour_ends_ms: int
    clicks_end: int
    looked_at_ms: int


class Seen(NamedTuple):
    """Stretch of `decisions[p]` that was read so far, and the highest live source offset in it, -1 for none."""

    first: int
    end: int
    tail: int


class Closer:
    """Closes hours, one `step` after another. Raises Unavailable, Misconfigured, and BadInput for no decision."""

    def __init__(self, kafka: Mapping[str, Any], prefix: str, rule: ClosingRule) -> None:
        self._clicks, self._decisions, self._markers = (
            topic_name(topic, prefix) for topic in (Topic.CLICKS, Topic.DECISIONS, Topic.DECISION_MARKERS)
        )
        self._rule = rule
        self._consumer = open_consumer(kafka)
        self._producer = Producer({**kafka, "enable.idempotence": True, "log_level": 2})
        self._looks: dict[int, Look] = {}
        self._closed_ms: dict[int, int] = {}
        self._seen: dict[int, Seen] = {}
        self._loaded = False

    def step(self, now_ms: int) -> list[FinalityMarker]:
        """Look at hours that have ended, write the markers of those that are decided. `now_ms` must not run ahead."""
        if not self._loaded:
            for marker in _scanned(self._consumer, self._markers):
                self._closed_ms[marker.partition] = max(marker.hour_ends_ms, self._closed_ms.get(marker.partition, 0))
            self._loaded = True
        self._look(now_ms)
        made = [found for partition, look in self._looks.items() if (found := self._marker(partition, look))]
        self._write(made)
        return made

    @property
    def waiting(self) -> dict[int, Look]:
        """Hours that have ended but hold clicks without a decision, by partition."""
        return dict(self._looks)

    def close(self) -> None:
        """Give back the connection."""
        self._consumer.close()

    def _look(self, now_ms: int) -> None:
        hour_ms = ended_hour(now_ms, self._rule.grace_ms, self._rule.hour_ms)
        partitions = partitions_of(self._consumer, self._clicks)
        due = [p for p in partitions if p not in self._looks and self._closed_ms.get(p, 0) < hour_ms]
        if due:
            held = whole_log(self._consumer, self._clicks)  # asked for after `now_ms`: nothing of the hour is missed
            self._looks |= {partition: Look(hour_ms, held[partition].end, now_ms) for partition in due}

    def _marker(self, partition: int, look: Look) -> FinalityMarker | None:
        decisions = whole_log(self._consumer, self._decisions).get(partition, Stretch(0, 0))
        if not self._is_decided(partition, look.clicks_end, decisions):
            return None
        credit_from_ms = look.hour_ends_ms + self._rule.corrections_ms
        return FinalityMarker(
            partition, look.hour_ends_ms, look.clicks_end, decisions.end, look.looked_at_ms, credit_from_ms
        )

    def _is_decided(self, partition: int, clicks_end: int, held: Stretch) -> bool:
        """Whether all clicks below `clicks_end` are, by what was written since the last look, and some before it.

        decisions[p]   4096 4097 ... 9000 | 4096 4097 ... 4999        a paused worker has written again, late
                                                 └ the last records     so read back, as far as that may reach
        """
        seen = self._seen.get(partition, Seen(held.end, held.end, -1))
        seen = seen._replace(end=held.end, tail=max(seen.tail, self._tail(partition, Stretch(seen.end, held.end))))
        back = _TAIL_RECORDS
        while not (decided := is_decided(clicks_end, seen.tail, self._rest(partition, seen.tail + 1, clicks_end))):
            if seen.first <= held.first or (seen.tail >= 0 and held.end - seen.first >= ZOMBIE_BOUND_RECORDS):
                break
            first = max(held.first, seen.first - back)
            tail = self._tail(partition, Stretch(first, seen.first))
            seen, back = seen._replace(first=first, tail=max(seen.tail, tail)), 4 * back
        self._seen[partition] = seen
        return decided

    def _tail(self, partition: int, stretch: Stretch) -> int:
        """The highest live source offset in a stretch of decisions."""
        records = chain.from_iterable(scan(self._consumer, self._decisions, {partition: stretch}))
        return live_tail(map(decode_decision, records))

    def _rest(self, partition: int, first: int, end: int) -> Iterator[ClickPlace]:
        """Records of `clicks`, from the first that may be undecided; what has expired counts as an undecided click."""
        held = whole_log(self._consumer, self._clicks)[partition]
        if first < held.first:
            yield ClickPlace(partition, first, "(expired)")
        for records in scan(self._consumer, self._clicks, {partition: Stretch(first, end)}):
            yield from map(click_place, records)

    def _write(self, markers: list[FinalityMarker]) -> None:
        for marker in markers:
            with translating(f"Topic {self._markers}"):
                self._producer.produce(self._markers, msgspec.json.encode(marker), partition=marker.partition)
        if left := self._producer.flush(_FLUSH_S):
            raise Unavailable(f"{left} marker(s) of {self._markers} were not stored within {_FLUSH_S:.0f} s.")
        for marker in markers:
            self._closed_ms[marker.partition] = marker.hour_ends_ms
            del self._looks[marker.partition]


def read_finality(kafka: Mapping[str, Any], prefix: str = "", hour_ms: int = HOUR_MS) -> Finality:
    """All markers as they are now. Raises BadInput, Misconfigured, Unavailable."""
    consumer = open_consumer(kafka)
    try:
        found = Finality(hour_ms)
        for marker in _scanned(consumer, topic_name(Topic.DECISION_MARKERS, prefix)):
            found.apply(marker)
        return found
    finally:
        consumer.close()


def _scanned(consumer: Any, topic: str) -> Iterator[FinalityMarker]:
    for records in scan(consumer, topic, whole_log(consumer, topic)):
        yield from map(decode_marker, records)
