"""Which clicks a recomputation counts, frozen; and those clicks in their merged order. Reads, changes nothing.

                         LOOKBACK_MS            range
                   |<------------------->|                 |
    clicks[0]  ----a=====================|=================|b----     counted from a up to before b
    clicks[1]  ------c===================|===============d-------     without a click in the range: up to the same time

An answer depends on what the merged order has before its click, in all partitions; what lies further back than the
longest window and the latest click changes none.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final, NamedTuple, cast

from confluent_kafka import Consumer
from msgspec import Struct
from msgspec.structs import astuple

from billing.log import Stretch, offsets_at, open_consumer, whole_log
from contracts.errors import Refused
from contracts.events import TimeMs
from contracts.features import HOUR_MS
from contracts.replay import LogRange, Span
from contracts.topics import Topic, topic_name
from replay.merging import Numbered, merged
from replay.reading import open_reader, read_stretch
from streams.history import LOOKBACK_MS
from streams.records import RawRecord

# Records of a partition are in order of their times but for a few.
_OUT_OF_ORDER: Final = 64
_ASKED_EVERY: Final = 256
# Client buffers, one for each partition.
_CONSUMER: Final = {"queued.max.messages.kbytes": 8_192}

GoOn = Callable[[int], bool]


class ShortPart(Struct, frozen=True):
    """A partition whose clicks before a time have expired, though features counted again look back further."""

    partition: int
    until_ms: TimeMs


class WarmUp(NamedTuple):
    """What is counted of each partition, and of which of them the first clicks to count have expired."""

    clicks: dict[int, LogRange]
    short: list[ShortPart]


def freeze(kafka: Mapping[str, Any], prefix: str, spans: Mapping[int, Span]) -> WarmUp:
    """What must be counted for the features of the spans' clicks. Raises Refused if one of those has expired."""
    topic = topic_name(Topic.CLICKS, prefix)
    consumer = open_reader(kafka)
    try:
        check_kept(consumer, topic, {p: LogRange(span.first, span.end) for p, span in spans.items()})
        firsts = {p: Stretch(span.first, span.first + 1) for p, span in spans.items()}
        lasts = {p: Stretch(max(span.first, span.end - _OUT_OF_ORDER), span.end) for p, span in spans.items()}
        since_ms = max(0, min(_times_ms(consumer, topic, firsts)) - LOOKBACK_MS)
        until_ms = max(_times_ms(consumer, topic, lasts))
        since, until = offsets_at(consumer, topic, since_ms), offsets_at(consumer, topic, until_ms + 1)
        clicks = {
            p: LogRange(min(first, spans[p].first), max(until[p], spans[p].end))
            if p in spans
            else LogRange(first, max(first, until[p]))
            for p, first in since.items()
        }
        return WarmUp(clicks, list(_short(consumer, topic, since_ms)))
    finally:
        consumer.close()


def refuse_short(short: list[ShortPart], show: Callable[[int], str]) -> None:
    """Raise Refused that names what has expired of the time before the range; `show(ms)` writes a time."""
    if short:
        named = "; ".join(f"partition {gap.partition}: before {show(gap.until_ms)}" for gap in short)
        raise Refused(
            f"Features look back {LOOKBACK_MS // HOUR_MS} hours before the range, and clicks of that time have expired "
            f"({named}). Begin later, or count from what is left with --allow-gaps: features then differ from those "
            "of the workers."
        )


def check_kept(consumer: Consumer, topic: str, ranges: Mapping[int, LogRange]) -> None:
    """Raise Refused where `clicks` does not hold all of these any more."""
    held = whole_log(consumer, topic)
    for partition, wanted in ranges.items():
        kept = held.get(partition, Stretch(0, 0))
        if wanted.first < wanted.end and not kept.first <= wanted.first < wanted.end <= kept.end:
            raise Refused(
                f"{topic}[{partition}] is to be counted again from offset {wanted.first} up to {wanted.end}, but Kafka "
                f"holds {kept.first} up to {kept.end}. Plan again, from a later time on; or plan without --recompute, "
                "which needs no clicks."
            )


def merged_clicks(
    kafka: Mapping[str, Any], prefix: str, ranges: Mapping[int, LogRange], go_on: GoOn = lambda clicks: True
) -> Iterator[Numbered]:
    """All clicks of the ranges in their merged order; ends early where `go_on(n)`, asked after n more, says False.

    Raises Refused if some have expired, Unavailable.
    """
    topic = topic_name(Topic.CLICKS, prefix)
    with ExitStack() as at_the_end:
        consumers = {}
        for partition in ranges:
            consumers[partition] = consumer = open_consumer({**kafka, **_CONSUMER})
            at_the_end.callback(consumer.close)
        if consumers:
            check_kept(next(iter(consumers.values())), topic, ranges)
        pieces = {p: read_stretch(consumers[p], topic, p, Stretch(*astuple(ranges[p]))) for p in ranges}
        for record in merged(cast(Mapping[int, Iterator[Sequence[RawRecord]]], pieces)):
            yield record
            if (record.number + 1) % _ASKED_EVERY == 0 and not go_on(_ASKED_EVERY):
                return


def _short(consumer: Consumer, topic: str, since_ms: int) -> Iterator[ShortPart]:
    """Partitions that begin later than counting should."""
    for partition, held in whole_log(consumer, topic).items():
        if held.first:
            times_ms = _times_ms(consumer, topic, {partition: Stretch(held.first, min(held.first + 1, held.end))})
            if not times_ms or times_ms[0] > since_ms:
                yield ShortPart(partition, times_ms[0] if times_ms else since_ms + LOOKBACK_MS)


def _times_ms(consumer: Consumer, topic: str, stretches: Mapping[int, Stretch]) -> list[int]:
    """Timestamps of the records there."""
    return [
        record.timestamp()[1]
        for partition, stretch in stretches.items()
        for records in read_stretch(consumer, topic, partition, stretch)
        for record in records
    ]
