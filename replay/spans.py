"""Times to offsets: which clicks were decided in a range, and which records hold them. Reads, changes nothing.

A row belongs to the range if it was decided in it. A record is written a moment after its rows were decided:

    from                                to
     |      feature-log[p]               |
    -|---[a b c]----[d e f]----[g h]-----|--[i j k]--       i was decided before `to`, j behind it
     |    └ log_first, first = a         |      └ end = j, log_end behind this record
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer

from billing.log import Stretch, offsets_at, place, scan, whole_log
from contracts.errors import Refused
from contracts.feature_log import decode
from contracts.replay import Span
from contracts.topics import MAX_IN_FLIGHT_RECORDS, Topic, topic_name
from replay.reading import open_reader
from replay.rows import headers_of, offsets_of

# Records of the feature log that may stand between a paused worker's repetitions, see streams/start_points.
_RECORDS_BACK: Final = 64


class Place(NamedTuple):
    """A boundary in one partition: the record of `feature-log[p]` and the source offset of its first row behind it."""

    log_offset: int
    source_offset: int


class Gap(NamedTuple):
    """Rows of a partition that expired: what was decided before `until_ms` is gone from the feature log."""

    partition: int
    until_ms: int


class Resolved(NamedTuple):
    """Spans by partition, those without a click left out, and what has expired of the range."""

    spans: dict[int, Span]
    gaps: list[Gap]


def resolve(kafka: Mapping[str, Any], prefix: str, from_ms: int, to_ms: int) -> Resolved:
    """Freeze a range. `to_ms` beyond the live tail ends there."""
    log, decisions = topic_name(Topic.FEATURE_LOG, prefix), topic_name(Topic.DECISIONS, prefix)
    consumer = open_reader(kafka)
    try:
        held = whole_log(consumer, log)
        begins, ends = _places(consumer, log, held, from_ms), _places(consumer, log, held, to_ms)
        decided, reach = whole_log(consumer, decisions), offsets_at(consumer, decisions, from_ms)
        spans = {
            p: Span(
                first=begin.source_offset,
                end=ends[p].source_offset,
                log_first=begin.log_offset,
                log_end=min(ends[p].log_offset + 1, held[p].end),
                # A decision may be older than its row: after a crash the row alone is written again.
                decisions_first=max(decided[p].first, reach[p] - MAX_IN_FLIGHT_RECORDS),
                decisions_end=decided[p].end,
            )
            for p, begin in begins.items()
            if begin.source_offset < ends[p].source_offset
        }
        return Resolved(spans, list(_gaps(consumer, log, held, from_ms)))
    finally:
        consumer.close()


def refuse_gaps(gaps: list[Gap], show: Any) -> None:
    """Raise Refused that names what expired; `show(ms)` writes a time."""
    if gaps:
        named = "; ".join(f"partition {gap.partition}: before {show(gap.until_ms)}" for gap in gaps)
        raise Refused(
            f"A part of the range has expired from the feature log ({named}). Begin later, or replay what is left with "
            "--allow-gaps."
        )


def _places(consumer: Consumer, topic: str, held: Mapping[int, Stretch], at_ms: int) -> dict[int, Place]:
    since = offsets_at(consumer, topic, at_ms)
    return {p: _place(consumer, topic, p, stretch, since[p], at_ms) for p, stretch in held.items()}


def _place(consumer: Consumer, topic: str, partition: int, held: Stretch, since: int, at_ms: int) -> Place:
    """The first row decided at `at_ms` or later, of records at `since` or behind; the end if there is none."""
    above = -1
    stretch = Stretch(max(held.first, since - _RECORDS_BACK), held.end)
    for records in scan(consumer, topic, {partition: stretch}):
        for record in records:
            if place(record)[1] >= since:
                batch = decode(record.value() or b"", headers_of(record))
                rows = zip(batch["source_offset"].to_pylist(), batch["decided_at_ms"].to_pylist(), strict=True)
                for offset, decided_at_ms in rows:
                    if offset > above and decided_at_ms >= at_ms:
                        return Place(place(record)[1], offset)
            above = max(above, offsets_of(record)[1])
    return Place(held.end, above + 1)


def _gaps(consumer: Consumer, topic: str, held: Mapping[int, Stretch], from_ms: int) -> Iterator[Gap]:
    """Partitions whose log begins within the range because what stood before has expired."""
    for partition, stretch in held.items():
        if stretch.first == 0:
            continue
        if stretch.first == stretch.end:
            yield Gap(partition, from_ms)
            continue
        first = Stretch(stretch.first, stretch.first + 1)
        for records in scan(consumer, topic, {partition: first}):
            until_ms = records[0].timestamp()[1]
            if until_ms > from_ms:
                yield Gap(partition, until_ms)
