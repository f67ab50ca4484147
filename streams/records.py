"""Raw Kafka records to clicks. Pure: bytes in, clicks and bad records out."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from contracts.events import Click
from contracts.feature_log import Flag
from contracts.features import FUTURE_BOUND_MS, LONGEST_WINDOW_MS

_decode = msgspec.json.Decoder(Click).decode


class RawRecord(Protocol):
    """The part of `confluent_kafka.Message` that the decision path reads."""

    def value(self) -> bytes | None:
        """Payload; None for a tombstone."""
        ...

    def offset(self) -> int:
        """Offset in its partition."""
        ...

    def timestamp(self) -> tuple[int, int]:
        """(kind, milliseconds UTC) of the record, normally the producer's create time."""
        ...


class KafkaMessage(RawRecord, Protocol):
    """A stored record of any topic, read by librdkafka; its library's types allow None where none can be."""

    def value(self) -> bytes:
        """Payload."""
        ...

    def partition(self) -> int:
        """Its partition."""
        ...

    def headers(self) -> list[tuple[str, bytes]] | None:
        """Headers; None without any."""
        ...

    def error(self) -> Any:
        """`KafkaError` where this is no record but an event of the consumer."""
        ...


class BadRecord(NamedTuple):
    """A record that is no click: where in it, and what is wrong."""

    record: RawRecord
    path: str
    reason: str


class Decoded(NamedTuple):
    """Clicks of one partition in offset order, with their offsets, Kafka timestamps and flags; and the bad records."""

    clicks: list[Click]
    offsets: list[int]
    timestamps_ms: list[int]
    flags: list[int]
    bad: list[BadRecord]

    def counted(self) -> tuple[list[Click], list[int]]:
        """Clicks, and their offsets, that are counted in features: those within the lateness bounds."""
        if not any(self.flags):
            return self.clicks, self.offsets
        keep = [i for i, flag in enumerate(self.flags) if not flag]
        return [self.clicks[i] for i in keep], [self.offsets[i] for i in keep]


def lateness_flag(clicked_at_ms: int, timestamp_ms: int) -> int:
    """Flag of a click by its time and its record's Kafka timestamp; never a wall clock, so that history replays.

    -------------|==========================T====|-------------
     late      T - 24 h        counted          T + 5 min    future
    """
    age_ms = timestamp_ms - clicked_at_ms
    if age_ms > LONGEST_WINDOW_MS:
        return Flag.UNCOUNTED_LATE
    return Flag.UNCOUNTED_FUTURE if -age_ms > FUTURE_BOUND_MS else 0


def decode_clicks(records: Sequence[RawRecord]) -> Decoded:
    """Decode records of one partition. Nothing is raised for a bad record: it is returned with its path and reason."""
    out = Decoded([], [], [], [], [])
    clicks, offsets, timestamps_ms, flags, bad = out
    for record in records:
        try:
            click = _decode(record.value() or b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            bad.append(_explain(record, error))
            continue
        timestamp_ms = record.timestamp()[1]
        clicks.append(click)
        offsets.append(record.offset())
        timestamps_ms.append(timestamp_ms)
        flags.append(lateness_flag(click.clicked_at_ms, timestamp_ms))
    return out


def _explain(record: RawRecord, error: Exception) -> BadRecord:
    if not record.value():
        return BadRecord(record, "$", "The record is empty; a click as JSON was expected.")
    if isinstance(error, RecursionError):
        return BadRecord(record, "$", "JSON is nested too deeply.")
    if isinstance(error, UnicodeDecodeError):
        return BadRecord(record, "$", f"Invalid UTF-8 at byte {error.start}.")
    reason, _, place = str(error).partition(" - at `")
    path = place.rstrip("`") or "$"
    if reason.startswith("Object missing required field `"):
        path = f"{path}.{reason.split('`')[1]}"
    return BadRecord(record, path, reason)
