"""Records of Kafka to rows of the archive: pure. What cannot be read is left out, with its place."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from archive.commits import Skip
from archive.schemas import LOG_OFFSET, schema_of
from archive.topics import EVENT_TIMES
from contracts import feature_log
from contracts.errors import BadInput
from contracts.events import EARLIEST_MS, LATEST_MS, Click, Decision, Purchase
from contracts.ports import EntityHashes
from contracts.topics import Topic


class Record(Protocol):
    """The part of `confluent_kafka.Message` that the archive reads."""

    def value(self) -> bytes | None:
        """Payload; None for a tombstone."""
        ...

    def offset(self) -> int | None:
        """Offset in its partition; a stored record has one."""
        ...

    def timestamp(self) -> tuple[int, int]:
        """(kind, milliseconds UTC) of the record."""
        ...

    def headers(self) -> Any:
        """Pairs of name and bytes; None without any."""
        ...


class Rows(NamedTuple):
    """What records of one partition gave: batches of rows, the number of records in them, and what was skipped."""

    batches: list[Any]
    records: int
    skips: list[Skip]


def rows_of(topic: Topic, partition: int, records: Sequence[Record], hashes: EntityHashes) -> Rows:
    """Rows of a partition's records in offset order; a record that cannot be read becomes a skip."""
    if topic is Topic.FEATURE_LOG:
        return _batches(records)
    decode = _DECODERS[topic]
    events: list[tuple[Any, Record]] = []
    skips: list[Skip] = []
    for record in records:
        try:
            events.append((decode(record.value() or b""), record))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            _skip(skips, record, _path(record, error))
    try:
        batches = [_event_batch(topic, partition, events, hashes)] if events else []
    except (pa.ArrowException, OverflowError):  # a number that JSON allows and no column holds
        return _in_halves(topic, partition, records, hashes)
    return Rows(batches, len(events), skips)


def _in_halves(topic: Topic, partition: int, records: Sequence[Record], hashes: EntityHashes) -> Rows:
    """The same, when there is a record among them that no batch can hold."""
    if len(records) == 1:
        skips: list[Skip] = []
        _skip(skips, records[0], "$")
        return Rows([], 0, skips)
    rows = Rows([], 0, [])
    for half in (records[: len(records) // 2], records[len(records) // 2 :]):
        part = rows_of(topic, partition, half, hashes)
        rows = Rows(rows.batches + part.batches, rows.records + part.records, rows.skips + part.skips)
    return rows


_DECODERS: dict[Topic, Callable[[bytes], Any]] = {
    Topic.CLICKS: msgspec.json.Decoder(Click).decode,
    Topic.PURCHASES: msgspec.json.Decoder(Purchase).decode,
    Topic.DECISIONS: msgspec.json.Decoder(Decision).decode,
}


def _event_batch(topic: Topic, partition: int, events: Sequence[tuple[Any, Record]], hashes: EntityHashes) -> Any:
    schema = schema_of(topic)
    computed = _COMPUTED[topic](hashes)
    place = {"source_partition": partition, "log_partition": partition}
    columns = []
    for field in schema:
        if field.name in computed:
            values: Iterable[Any] = map(computed[field.name], events)
        elif field.name in place and not hasattr(events[0][0], field.name):
            values = [partition] * len(events)
        else:
            values = (getattr(event, field.name) for event, _ in events)
        columns.append(pa.array(list(values), field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


_Column = Callable[[tuple[Any, Record]], Any]


def _of_click(hashes: EntityHashes) -> dict[str, _Column]:
    of_purchase = _of_purchase(hashes)
    return {
        **of_purchase,
        "account_hash": lambda pair: of_purchase["user_hash"](pair) or of_purchase["session_hash"](pair),
        "ip_hash": lambda pair: hashes.ip(pair[0].ip),
        "kafka_timestamp_ms": lambda pair: pair[1].timestamp()[1],
    }


def _of_purchase(hashes: EntityHashes) -> dict[str, _Column]:
    return {
        "user_hash": lambda pair: hashes.user(pair[0].user_id) if pair[0].user_id else None,
        "session_hash": lambda pair: hashes.session(pair[0].session_id) if pair[0].session_id else None,
        "source_offset": lambda pair: pair[1].offset(),
    }


def _of_decision(_: EntityHashes) -> dict[str, _Column]:
    return {"log_offset": lambda pair: pair[1].offset()}


_COMPUTED: dict[Topic, Callable[[EntityHashes], dict[str, _Column]]] = {
    Topic.CLICKS: _of_click,
    Topic.PURCHASES: _of_purchase,
    Topic.DECISIONS: _of_decision,
}


def _batches(records: Sequence[Record]) -> Rows:
    """Batches of the feature log as they are, checked byte by byte: a damaged one must not spoil a file."""
    rows = Rows([], 0, [])
    for record in records:
        try:
            headers = {name: value or b"" for name, value in record.headers() or []}
            batch = feature_log.decode(record.value() or b"", headers)
            batch.validate(full=True)
            _check_batch(batch)
        except (BadInput, pa.ArrowException, OSError, ValueError, OverflowError):
            _skip(rows.skips, record, "$")
            continue
        rows.batches.append(_placed(batch, record))
    return rows._replace(records=len(rows.batches))


def _placed(batch: Any, record: Record) -> Any:
    """The batch with the offset of its record: of a click that was logged twice, the first one in the log stands."""
    place = pa.repeat(pa.scalar(record.offset(), LOG_OFFSET.type), len(batch))
    return pa.RecordBatch.from_arrays([*batch.columns, place], schema=pa.schema([*batch.schema, LOG_OFFSET]))


def _check_batch(batch: Any) -> None:
    """Refuse what Parquet cannot hold, or what belongs to no hour: unlike events, batches come with times unchecked."""
    times, vectors = batch.column(EVENT_TIMES[Topic.FEATURE_LOG]), batch.column("features")
    bounds = pc.min_max(times).as_py()
    if times.null_count or (len(times) and not EARLIEST_MS <= bounds["min"] <= bounds["max"] <= LATEST_MS):
        raise BadInput("Feature-log message has a click without a time, or with none that can be.")
    if vectors.null_count or not vectors.type.list_size:
        raise BadInput("Feature-log message has a click without features.")


def _skip(skips: list[Skip], record: Record, path: str) -> None:
    """One after the other with the same fault are one entry: a flood of rubbish stays small."""
    offset = record.offset()
    assert offset is not None, "a stored record has an offset"
    if skips and skips[-1].last + 1 == offset and skips[-1].path == path:
        skips[-1] = Skip(skips[-1].first, offset, path)
    else:
        skips.append(Skip(offset, offset, path))


def _path(record: Record, error: Exception) -> str:
    """The field at fault. Never msgspec's reason: it may quote what was found, and names do not enter the archive."""
    if not record.value() or not isinstance(error, msgspec.ValidationError):
        return "$"
    reason, _, place = str(error).partition(" - at `")
    path = place.rstrip("`") or "$"
    return f"{path}.{reason.split('`')[1]}" if reason.startswith("Object missing required field `") else path
