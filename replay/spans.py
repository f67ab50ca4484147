"""Times to offsets: which clicks were decided in a range, and which records hold them. Reads, changes nothing.

A row belongs to the range if it was decided in it. A record is written a moment after its rows were decided:

    from                                to
     |      feature-log[p]               |
    -|---[a b c]----[d e f]----[g h]-----|--[i j k]--       i was decided before `to`, j behind it
     |    └ log_first, first = a         |      └ end = j, log_end behind this record

Where Kafka's part begins within the range, what stood before it is looked for in the archive.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from confluent_kafka import Consumer
from msgspec.structs import replace

from billing.log import Stretch, offsets_at, scan, whole_log
from contracts.replay import Span
from contracts.topics import MAX_IN_FLIGHT_RECORDS, Topic
from replay.logs import Logs
from replay.parts import Border, Gap, Part, missing_of, parts_of
from replay.places import Place, highest_before, place_in_archive, place_in_kafka, times_around
from replay.reading import open_reader

# Records that are fetched to see the first one: an offset may hold none.
_A_FEW: Final = 16


class Resolved(NamedTuple):
    """Spans by partition, those without a click left out; where their rows come from; what is in neither place."""

    spans: dict[int, Span]
    parts: list[Part]
    gaps: list[Gap]


def resolve(logs: Logs, from_ms: int, to_ms: int) -> Resolved:
    """Freeze a range. `to_ms` beyond the live tail ends there."""
    consumer = open_reader(logs.kafka)
    try:
        name = logs.name(Topic.FEATURE_LOG)
        held = whole_log(consumer, name)
        borders = _borders(consumer, logs, held, from_ms)
        begins, ends = (_places(consumer, logs, held, borders, at_ms) for at_ms in (from_ms, to_ms))
        decisions = _decisions(consumer, logs, from_ms)
        spans = {
            p: Span(
                first=begin.source_offset,
                end=ends[p].source_offset,
                log_first=begin.log_offset,
                log_end=min(ends[p].log_offset + 1, held[p].end),
                # A decision may be older than its row: after a crash the row alone is written again.
                decisions_first=max(0, decisions[p].first - MAX_IN_FLIGHT_RECORDS),
                decisions_end=decisions[p].end,
            )
            for p, begin in begins.items()
            if begin.source_offset < ends[p].source_offset
        }
    finally:
        consumer.close()
    return _with_gaps(logs, spans, borders, from_ms, to_ms)


def _borders(consumer: Consumer, logs: Logs, held: Mapping[int, Stretch], from_ms: int) -> dict[int, Border]:
    """Where Kafka's part begins, of partitions that have expired up to a time behind `from_ms`."""
    borders = {}
    for partition, stretch in held.items():
        since_ms = _first_ms(consumer, logs.name(Topic.FEATURE_LOG), partition, stretch)
        if stretch.first > 0 and (since_ms is None or since_ms > from_ms):
            view = logs.view(Topic.FEATURE_LOG)
            above = highest_before(view, partition, stretch.first) if view else -1
            borders[partition] = Border(stretch.first, since_ms, above)
    return borders


def _first_ms(consumer: Consumer, topic: str, partition: int, held: Stretch) -> int | None:
    """When the first record was written that Kafka holds of a partition."""
    few = Stretch(held.first, min(held.end, held.first + _A_FEW))
    return next((records[0].timestamp()[1] for records in scan(consumer, topic, {partition: few})), None)


def _places(
    consumer: Consumer, logs: Logs, held: Mapping[int, Stretch], borders: Mapping[int, Border], at_ms: int
) -> dict[int, Place]:
    name = logs.name(Topic.FEATURE_LOG)
    since, places = offsets_at(consumer, name, at_ms), {}
    for partition, stretch in held.items():
        found, above, border = None, -1, borders.get(partition)
        if border is not None:
            above, view = border.last_source_offset, logs.view(Topic.FEATURE_LOG)
            found = place_in_archive(view, partition, border.log_offset, at_ms) if view else None
        places[partition] = found or place_in_kafka(
            consumer, name, partition, stretch, since[partition], at_ms, above
        )  # fmt: skip
    return places


def _decisions(consumer: Consumer, logs: Logs, from_ms: int) -> dict[int, Stretch]:
    """From the first record of `decisions` that was written at `from_ms` or later, to the end, by partition."""
    name = logs.name(Topic.DECISIONS)
    held, reach = whole_log(consumer, name), offsets_at(consumer, name, from_ms)
    found = {}
    for partition, stretch in held.items():
        first = reach[partition]
        if first == stretch.first > 0 and (view := logs.view(Topic.DECISIONS)):
            place = place_in_archive(view, partition, first, from_ms)
            first = place.log_offset if place else first
        found[partition] = Stretch(first, stretch.end)
    return found


def _with_gaps(
    logs: Logs, spans: Mapping[int, Span], borders: Mapping[int, Border], from_ms: int, to_ms: int
) -> Resolved:
    resolved = Resolved({}, [], [])
    for partition, border in borders.items():
        resolved.gaps.extend(_gaps(logs, partition, border, spans.get(partition), from_ms, to_ms))
    for partition, span in sorted(spans.items()):
        gaps = [gap for gap in resolved.gaps if gap.partition == partition]
        resolved.spans[partition] = replace(span, missing=missing_of(span, gaps))
        resolved.parts.extend(parts_of(partition, span, borders.get(partition), from_ms, to_ms))
    return resolved


def _gaps(
    logs: Logs, partition: int, border: Border, span: Span | None, from_ms: int, to_ms: int
) -> Iterator[Gap]:  # fmt: skip
    """What has expired and is not archived, as far as its rows may have been decided within the range."""
    view, end = logs.view(Topic.FEATURE_LOG), border.log_offset
    for lost in logs.lacking(Topic.FEATURE_LOG, partition, 0, end):
        since_ms, until_ms = times_around(view, partition, lost.first, lost.end, end) if view else (None, None)
        until_ms = border.since_ms if until_ms is None else until_ms
        within = (until_ms is None or until_ms > from_ms) and (since_ms is None or since_ms < to_ms)
        if within or (span is not None and lost.first < span.log_end and span.log_first < lost.end):
            yield Gap(partition, since_ms, until_ms, lost.first, lost.end)
