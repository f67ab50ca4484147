"""Writes and reads one Parquet file of the archive. Pages carry checksums, metadata says where rows come from."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from archive.commits import DataFile, Source
from archive.schemas import schema_of
from archive.store import ArchiveStore
from archive.topics import EVENT_TIMES
from contracts import feature_log
from contracts.errors import BadInput
from contracts.topics import Topic

METADATA_KEY: Final = b"slidr"
ROWS_PER_GROUP: Final = 65_536
_READ_ROWS: Final = 16_384


class Origin(NamedTuple):
    """What a file's metadata says of its rows; `features` is the width of the vector, in the feature log."""

    topic: Topic
    topic_id: str
    key_id: str
    hour_ms: int
    sources: Sequence[Source]
    features: int | None = None


def write_file(store: ArchiveStore, path: str, origin: Origin, batches: Iterable[Any]) -> DataFile:
    """Write batches of one hour to a new file; it has its name when it is whole. In memory: one row group."""
    schema = schema_of(origin.topic, origin.features)
    with store.writing(path) as sink:
        first_ms, last_ms, rows = 2**63 - 1, -(2**63), 0
        with pq.ParquetWriter(
            sink, schema.with_metadata(_metadata(origin)), compression="zstd", write_page_checksum=True
        ) as writer:
            for batch in batches:
                writer.write(batch, row_group_size=ROWS_PER_GROUP)
                bounds = pc.min_max(batch.column(EVENT_TIMES[origin.topic])).as_py()
                first_ms, last_ms = min(first_ms, bounds["min"]), max(last_ms, bounds["max"])
                rows += len(batch)
        size_bytes, digest = sink.bytes, sink.sha256
    return DataFile(
        path=path,
        hour_ms=origin.hour_ms,
        rows=rows,
        bytes=size_bytes,
        sha256=digest,
        first_ms=first_ms,
        last_ms=last_ms,
        key_id=origin.key_id,
        sources=tuple(origin.sources),
        features=origin.features,
    )


def read_file(store: ArchiveStore, file: DataFile, columns: Sequence[str] | None = None) -> Iterator[Any]:
    """Record batches of a file. Raises BadInput if it is missing, damaged, or not the one that was committed."""
    rows = 0
    with reading(store, file):
        with pq.ParquetFile(
            store.inside(file.path), filesystem=store.files, page_checksum_verification=True, pre_buffer=False
        ) as parquet:
            for batch in parquet.iter_batches(_READ_ROWS, columns=columns):
                rows += len(batch)
                yield batch
    if rows != file.rows:
        raise BadInput(f"{store.address(file.path)} has {rows} rows, and {file.rows} were committed. {_REMEDY}")


_REMEDY: Final = "Restore it from a copy; `slidr archive verify` lists all such files."


@contextmanager
def reading(store: ArchiveStore, file: DataFile) -> Iterator[None]:
    """Say in one sentence what is wrong with a file."""
    address = store.address(file.path)
    try:
        yield
    except FileNotFoundError as error:
        raise BadInput(f"{address} is missing, though it was committed. {_REMEDY}") from error
    except (pa.ArrowException, OSError, msgspec.DecodeError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise BadInput(f"{address} is damaged: {reason}. {_REMEDY}") from error


def _metadata(origin: Origin) -> dict[bytes, bytes]:
    facts = {
        "topic": origin.topic,
        "topic_id": origin.topic_id,
        "key_id": origin.key_id,
        "schema": feature_log.schema_id(origin.features) if origin.features is not None else origin.topic,
        "sources": origin.sources,
    }
    return {METADATA_KEY: msgspec.json.encode(facts)}
