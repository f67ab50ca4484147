"""Reads `feature-log` and `decisions` by offset, as a consumer of Kafka would: for what Kafka no longer holds.

feature-log[0]    0 .. 99    100 .. 139    140 .. 199    200 ..
in the archive    yes        a gap         yes           not yet
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pyarrow.parquet as pq

from archive.commits import DataFile, Source, coalesced
from archive.log import CommitLog
from archive.log_order import Wanted, in_log_order
from archive.parquet import reading
from archive.store import ArchiveStore
from contracts.errors import Misconfigured
from contracts.topics import Topic

# The column that says which partition of the topic a row was read from. The row of clicks[p] is in feature-log[p].
_PARTITIONS: Final[dict[Topic, str]] = {
    Topic.FEATURE_LOG: "source_partition",
    Topic.DECISIONS: "log_partition",
}
_AT_ONCE: Final = 16
_END: Final = 2**63


class LogView:
    """What was committed of a topic when this was made. Raises what `ArchiveReader` does."""

    def __init__(self, store: ArchiveStore, topic: Topic) -> None:
        if topic not in _PARTITIONS:
            raise Misconfigured(f"{topic} is not read by offset. Use `ArchiveReader.batches`, which reads by time.")
        self._store = store
        self._topic = topic
        self._log = CommitLog(store, topic)
        self._state = self._log.load()
        self._highest: dict[tuple[str, str], int] = {}
        self._skips: list[Source] | None = None

    @property
    def topic_id(self) -> str | None:
        """Of the topic that was archived; None if nothing was."""
        return self._state.topic_id

    def lacking(self, partition: int, first: int, end: int) -> list[Source]:
        """Offsets `first` up to, not including, `end` that are not in the archive, in as few pieces as can be.

        They expired before they were archived, could not be read, or have not been archived yet.
        """
        covered = self._state.partitions.get(partition)
        if covered is None:
            lost = [Source(partition, 0, _END)]
        else:
            lost = [Source(partition, 0, covered.first), Source(partition, covered.end, _END)]
            lost += [gap for gap in self._state.gaps if gap.partition == partition]
            lost += self._skipped(partition) if covered.skipped else []
        cut = [Source(partition, max(first, one.first), min(end, one.end)) for one in lost]
        return list(coalesced([one for one in cut if one.first < one.end]))

    def rows(
        self, partition: int, first: int, end: int, columns: Sequence[str] | None = None,
        since: tuple[str, int] | None = None,
    ) -> Iterator[Any]:  # fmt: skip
        """Rows of the records `first` up to, not including, `end`, as tables in log order; what is lacking is left out.

        With `columns`, those and the ones that order is known by. The feature log's vectors are as wide as they were
        logged. `since` (column, value) leaves out files where that column is below the value everywhere.
        """
        starts = {path: _first(file, partition, first, end) for path, file in self._state.files.items()}
        files = [self._state.files[path] for path, start in starts.items() if start is not None]
        if since is not None:
            files = self._since(files, *since)
        wanted = Wanted(_PARTITIONS[self._topic], partition, first, end, columns)
        return in_log_order(self._store, [(starts[file.path] or first, file) for file in files], wanted)

    def _since(self, files: Sequence[DataFile], column: str, value: int) -> list[DataFile]:
        """Files whose own statistics do not rule the value out: footers are read, some at once, each but once."""
        unknown = [file for file in files if (file.path, column) not in self._highest]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for file, highest in zip(unknown, pool.map(lambda file: self._footer(file, column), unknown), strict=True):
                self._highest[file.path, column] = highest
        return [file for file in files if self._highest[file.path, column] >= value]

    def _footer(self, file: DataFile, column: str) -> int:
        with reading(self._store, file):
            metadata = pq.read_metadata(self._store.inside(file.path), filesystem=self._store.files)
        return max(_highest(metadata.row_group(number), column) for number in range(metadata.num_row_groups))

    def _skipped(self, partition: int) -> list[Source]:
        """Records that could not be read: only their commits say which."""
        if self._skips is None:
            ranges = [part for commit in self._log.commits() for part in commit.ranges]
            self._skips = [Source(part.partition, skip.first, skip.last + 1) for part in ranges for skip in part.skips]
        return [skip for skip in self._skips if skip.partition == partition]


def _first(file: DataFile, partition: int, first: int, end: int) -> int | None:
    """The first offset of the range that the file may hold."""
    found = [
        max(first, source.first)
        for source in file.sources
        if source.partition == partition and source.first < end and first < source.end
    ]
    return min(found, default=None)


def _highest(group: Any, column: str) -> int:
    for number in range(group.num_columns):
        found = group.column(number)
        if found.path_in_schema == column:
            statistics = found.statistics
            return int(statistics.max) if statistics is not None and statistics.has_min_max else _END
    return _END
