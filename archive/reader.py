"""Reads the archive: files of a time range, their rows, what is covered. A file that no commit names does not exist."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from msgspec import Struct

from archive.commits import DataFile, Source, State
from archive.log import CommitLog
from archive.log_view import LogView
from archive.parquet import read_file
from archive.schemas import schema_of
from archive.store import ArchiveStore
from archive.topics import EVENT_TIMES, archived_topic
from archive.verify import problem_of
from archive.widths import padded
from contracts.errors import Refused
from contracts.features import FEATURE_IDS
from contracts.topics import Topic


class PartitionCoverage(Struct):
    """What is archived of one partition: offsets `first_offset` up to, not including, `end_offset`.

    `records` + `skipped` + `expired` + `without_record` (marks of transactions) are all of them.
    """

    partition: int
    first_offset: int
    end_offset: int
    records: int
    rows: int
    skipped: int
    expired: int
    without_record: int


class Coverage(Struct):
    """What is archived of one topic; event times are None without rows. `gaps` expired before they were archived."""

    topic: Topic
    topic_id: str | None
    first_event_ms: int | None
    last_event_ms: int | None
    rows: int
    files: int
    bytes: int
    key_ids: list[str]
    partitions: list[PartitionCoverage]
    gaps: list[Source]


class ArchiveReader:
    """Reads the archive at `uri`; with `files`, an Arrow file system, `uri` is a folder in that one.

    Topics are named as in `contracts.topics`. Times are event times in milliseconds, from `from_ms` up to, not
    including, `to_ms`. What was committed when a method is called is what it sees. Raises BadInput for a damaged or
    missing file, Misconfigured or Unavailable for a store that cannot be used.
    """

    def __init__(self, uri: str, files: Any = None) -> None:
        self._store = ArchiveStore(uri, files)

    def files(self, topic: str, from_ms: int, to_ms: int) -> list[str]:
        """Files with events of the time range, as paths or URIs; they may hold others too.

        They can be read for a day at least after they were merged into others. Files of the feature log from before
        features were added have shorter vectors: `batches` pads them.
        """
        return [self._store.address(file.path) for file in self._chosen(archived_topic(topic), from_ms, to_ms)]

    def paths(self, topic: str, from_ms: int, to_ms: int) -> list[str]:
        """The same files, as paths within the Arrow file system of the archive's URI."""
        return [self._store.inside(file.path) for file in self._chosen(archived_topic(topic), from_ms, to_ms)]

    @property
    def is_local(self) -> bool:
        """Whether those paths are of this machine."""
        return self._store.is_local

    def batches(self, topic: str, from_ms: int, to_ms: int, columns: Sequence[str] | None = None) -> Any:
        """Rows of the time range as a `pyarrow.RecordBatchReader`, in memory one batch at a time.

        Feature vectors that were logged before features were added end with NaN for each that is missing.
        """
        archived = archived_topic(topic)
        chosen = self._chosen(archived, from_ms, to_ms)
        schema = self._schema(archived, chosen)
        schema = schema if columns is None else pa.schema([schema.field(name) for name in columns])
        return pa.RecordBatchReader.from_batches(schema, self._rows(archived, chosen, from_ms, to_ms, schema))

    def dataset(self, topic: str, from_ms: int, to_ms: int) -> Any:
        """The files of the time range as a `pyarrow.dataset`; they may hold other events too.

        Raises Refused where files of the feature log differ in their number of features: `batches` reads those.
        """
        archived = archived_topic(topic)
        chosen = self._chosen(archived, from_ms, to_ms)
        widths = sorted({file.features for file in chosen if file.features is not None})
        if len(widths) > 1:
            raise Refused(
                f"The feature log of this time has vectors of {' and '.join(map(str, widths))} features, which is no "
                "one dataset. Read it with `batches`, which pads the shorter ones with NaN."
            )
        schema = schema_of(archived, widths[0] if widths else None)
        options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
        parquet = ds.ParquetFileFormat(default_fragment_scan_options=options)
        paths = [self._store.inside(file.path) for file in chosen]
        return ds.dataset(paths, schema=schema, format=parquet, filesystem=self._store.files)

    def coverage(self, topic: str) -> Coverage:
        """What is archived of a topic, nothing included."""
        archived = archived_topic(topic)
        state = self._state(archived)
        files = state.files.values()
        return Coverage(
            topic=archived,
            topic_id=state.topic_id,
            first_event_ms=min((file.first_ms for file in files), default=None),
            last_event_ms=max((file.last_ms for file in files), default=None),
            rows=sum(file.rows for file in files),
            files=len(files),
            bytes=sum(file.bytes for file in files),
            key_ids=state.key_ids,
            partitions=_partitions(state),
            gaps=state.gaps,
        )

    def log(self, topic: str) -> LogView:
        """`feature-log` or `decisions` by offsets of Kafka instead of by time, as archived up to now."""
        return LogView(self._store, archived_topic(topic))

    def verify(self, topic: str, on_file: Callable[[int, int], None] = lambda done, total: None) -> list[str]:
        """Read every byte of a topic's files: what is wrong, a sentence each. `on_file` hears (files done, of all)."""
        files = list(self._state(archived_topic(topic)).files.values())
        problems = []
        for done, file in enumerate(files, 1):
            problem = problem_of(self._store, file)
            problems += [problem] if problem else []
            on_file(done, len(files))
        return problems

    def _state(self, topic: Topic) -> State:
        return CommitLog(self._store, topic).load()

    def _chosen(self, topic: Topic, from_ms: int, to_ms: int) -> list[DataFile]:
        state = self._state(topic)
        if state.number < 0:
            raise Refused(
                f"The archive {self._store.uri} has nothing of {topic}. Check SLIDR_ARCHIVE_URI; "
                "`slidr archive` fills it."
            )
        held = [file for file in state.files.values() if file.first_ms < to_ms and file.last_ms >= from_ms]
        return sorted(held, key=lambda file: (file.hour_ms, file.path))

    def _schema(self, topic: Topic, chosen: Sequence[DataFile]) -> Any:
        if topic is not Topic.FEATURE_LOG:
            return schema_of(topic)
        return schema_of(topic, max([len(FEATURE_IDS), *(file.features or 0 for file in chosen)]))

    def _rows(self, topic: Topic, chosen: Sequence[DataFile], from_ms: int, to_ms: int, schema: Any) -> Iterator[Any]:
        time = EVENT_TIMES[topic]
        columns = list(dict.fromkeys([*schema.names, time]))
        for file in chosen:
            whole = from_ms <= file.first_ms and file.last_ms < to_ms
            for batch in read_file(self._store, file, columns):
                if not whole:
                    at_ms = batch.column(time)
                    batch = batch.filter(pc.and_(pc.greater_equal(at_ms, from_ms), pc.less(at_ms, to_ms)))
                yield padded(batch, schema)


def _partitions(state: State) -> list[PartitionCoverage]:
    return [
        PartitionCoverage(
            partition=partition,
            first_offset=covered.first,
            end_offset=covered.end,
            records=covered.records,
            rows=covered.rows,
            skipped=covered.skipped,
            expired=covered.expired,
            without_record=covered.without_record,
        )
        for partition, covered in sorted(state.partitions.items())
    ]
