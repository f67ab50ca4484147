"""Records without Kafka, and a store that dies at a chosen step, as a process does: it tidies nothing up."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from pyarrow import fs

from archive.reader import ArchiveReader
from archive.store import ArchiveStore, Sink
from archive.writer import TopicWriter
from contracts import feature_log
from contracts.features import FEATURE_IDS
from contracts.topics import DAY_MS, Topic
from features.entities import EntityHasher
from tests.builders import START_MS, click, decision, purchase

KEY = "a secret of the tests"
HASHES = EntityHasher(KEY)
TOPIC_ID = "topic-1"
ALWAYS = (0, 2**62)
# Every hour of the builders' events is closed by then.
LATER_MS = START_MS + 30 * DAY_MS


class FakeRecord:
    """A stored record."""

    def __init__(
        self, offset: int, value: bytes | None, headers: Sequence[tuple[str, bytes]] = (), timestamp_ms: int = START_MS
    ) -> None:
        self._offset, self._value, self._headers, self._timestamp_ms = offset, value, headers, timestamp_ms

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> list[tuple[str, bytes]]:
        return list(self._headers)

    def timestamp(self) -> tuple[int, int]:
        return (1, self._timestamp_ms)


def click_record(offset: int, **fields: Any) -> FakeRecord:
    return FakeRecord(offset, msgspec.json.encode(click(click_id=f"click-{offset}", **fields)))


def purchase_record(offset: int, **fields: Any) -> FakeRecord:
    return FakeRecord(offset, msgspec.json.encode(purchase(purchase_id=f"purchase-{offset}", **fields)))


def features_record(offset: int, rows: int = 1, features: int = len(FEATURE_IDS), first_row: int = 0) -> FakeRecord:
    """A message of the feature log: row i is of source offset `first_row` + i, and all its features are that."""
    numbers = range(first_row, first_row + rows)
    body = feature_log.encode(
        [decision(click_id=f"click-{number}", source_offset=number) for number in numbers],
        np.repeat(np.array(numbers, np.float32)[:, None], features, axis=1),
        [number.to_bytes(16) for number in numbers],
        np.zeros(rows, np.float32),
        [0] * rows,
    )
    return FakeRecord(offset, body, [(feature_log.SCHEMA_HEADER, feature_log.schema_id(features).encode())])


class Crash(Exception):
    """The process died."""


class CrashingStore(ArchiveStore):
    """Dies at step `crash_at` (1 is the first): before or after something became visible, or with half of a file."""

    def __init__(self, uri: str, crash_at: int, files: Any = None) -> None:
        super().__init__(uri, files)
        self._crash_at = crash_at
        self._steps = 0

    @property
    def is_dead(self) -> bool:
        return self._steps >= self._crash_at

    def create(self, path: str, content: bytes) -> bool:
        self._step()
        created = super().create(path, content)
        self._step()
        return created

    @contextmanager
    def writing(self, path: str) -> Iterator[Sink]:
        self._step()
        with super().writing(path) as sink:
            yield sink
            self._step()
        self._step()

    def delete(self, path: str) -> None:
        if self.is_dead:  # tidying up after an error is what a killed process does not do
            return
        self._step()
        super().delete(path)

    def _step(self) -> None:
        self._steps += 1
        if self.is_dead:
            raise Crash


class Place:
    """Where an archive is: in a folder, or behind an Arrow file system that is treated as an object store."""

    def __init__(self, folder: Path, *, as_objects: bool) -> None:
        self.folder = folder
        self.files = fs.SubTreeFileSystem(str(folder), fs.LocalFileSystem()) if as_objects else None
        self.uri = "archive" if as_objects else str(folder / "archive")

    def store(self) -> ArchiveStore:
        return ArchiveStore(self.uri, self.files)

    def crashing(self, crash_at: int) -> CrashingStore:
        return CrashingStore(self.uri, crash_at, self.files)

    def reader(self) -> ArchiveReader:
        return ArchiveReader(self.uri, self.files)

    def parquet_files(self) -> set[str]:
        return {path.name for path in self.folder.rglob("*.parquet*")}


def started(store: ArchiveStore, topic: Topic = Topic.CLICKS, topic_id: str = TOPIC_ID) -> TopicWriter:
    writer = TopicWriter(store, topic, HASHES)
    writer.start(topic_id, START_MS)
    return writer


def archive(writer: TopicWriter, records: Sequence[FakeRecord], partition: int = 0) -> None:
    """Add and flush records, from where the writer stands to behind the last of them."""
    first = writer.position(partition)
    writer.add(partition, records[0].offset() if first is None else first, records, records[-1].offset() + 1)
    writer.flush(START_MS)


def rows(place: Place, topic: Topic = Topic.CLICKS, column: str = "source_offset") -> list[Any]:
    """One column of all that a reader sees, sorted."""
    return sorted(place.reader().batches(topic, *ALWAYS, [column]).read_all()[column].to_pylist())
