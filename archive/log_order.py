"""Rows of one partition in log order, out of files that each hold one hour of events of all partitions.

    hour 12   offsets 3 4 6          row groups, by their first offset      3 4 6 | 5 7 8 | 11
    hour 13   offsets 5 7 8  11      what comes before the next one's       3 4   | 5 6 7 8 | 11

A row group is read when its turn comes, and rows are given on when no unread one can hold any before them.
"""

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from itertools import count, groupby
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from archive.commits import DataFile
from archive.parquet import reading
from archive.schemas import LOG_OFFSET as _LOG_OFFSET
from archive.store import ArchiveStore
from archive.widths import VECTOR
from contracts.errors import Refused

LOG_OFFSET: Final = _LOG_OFFSET.name
_SOURCE_OFFSET: Final = "source_offset"


class Wanted(NamedTuple):
    """Rows of a partition, named by a column, whose log offsets are `first` up to, not including, `end`."""

    partition_column: str
    partition: int
    first: int
    end: int
    columns: Sequence[str] | None = None

    @property
    def read(self) -> list[str] | None:
        """Columns to read; None for all."""
        if self.columns is None:
            return None
        return list(dict.fromkeys([*self.columns, self.partition_column, LOG_OFFSET, _SOURCE_OFFSET]))

    def of(self, table: Any) -> Any:
        """Those of a table's rows."""
        offsets = table[LOG_OFFSET]
        within = pc.and_(pc.greater_equal(offsets, self.first), pc.less(offsets, self.end))
        return table.filter(pc.and_(within, pc.equal(table[self.partition_column], self.partition)))


class _Group(NamedTuple):
    """A row group that holds wanted rows."""

    file: DataFile
    parquet: Any
    number: int


def in_log_order(store: ArchiveStore, starts: Sequence[tuple[int, DataFile]], wanted: Wanted) -> Iterator[Any]:
    """Tables of the wanted rows; `starts` are the files, each with an offset that none of its wanted rows is before."""
    turn = count()  # of two with the same offset, the first one comes first
    waiting: list[tuple[int, int, DataFile | _Group]] = []
    for first, file in sorted(starts, key=lambda start: (start[0], start[1].path)):
        heappush(waiting, (first, next(turn), file))
    held: list[Any] = []
    while waiting:
        _, _, item = heappop(waiting)
        if isinstance(item, DataFile):
            for first, group in _groups(store, item, wanted):
                heappush(waiting, (first, next(turn), group))
            continue
        with reading(store, item.file):
            table = item.parquet.read_row_group(item.number, columns=wanted.read)
        held.append(wanted.of(table.replace_schema_metadata(None)))
        below = waiting[0][0] if waiting else wanted.end
        yield from _ordered([table.filter(pc.less(table[LOG_OFFSET], below)) for table in held])
        left = [table.filter(pc.greater_equal(table[LOG_OFFSET], below)) for table in held]
        held = [table for table in left if len(table)]


def _groups(store: ArchiveStore, file: DataFile, wanted: Wanted) -> Iterator[tuple[int, _Group]]:
    """Row groups of a file with wanted rows, and the first offset of those."""
    with reading(store, file):
        parquet = pq.ParquetFile(
            store.inside(file.path), filesystem=store.files, page_checksum_verification=True, pre_buffer=False
        )
        if parquet.metadata.num_rows != file.rows:
            raise OSError(f"it has {parquet.metadata.num_rows} rows, and {file.rows} were committed")
    for number in range(parquet.num_row_groups):
        with reading(store, file):
            places = parquet.read_row_group(number, columns=[wanted.partition_column, LOG_OFFSET])
        if LOG_OFFSET not in places.column_names or places[LOG_OFFSET].null_count:
            raise Refused(
                f"{store.address(file.path)} has rows that were archived by a version that did not keep their place in "
                "the log, so they cannot be read by offset. Begin the range behind them."
            )
        if len(found := wanted.of(places)):
            yield pc.min(found[LOG_OFFSET]).as_py(), _Group(file, parquet, number)


def _ordered(tables: Sequence[Any]) -> Iterator[Any]:
    """The same rows in log order, a table for each stretch of rows with vectors of the same width."""
    found = sorted((table for table in tables if len(table)), key=_width)
    joined = [pa.concat_tables(same).combine_chunks() for _, same in groupby(found, _width)]
    if not joined:
        return
    # Which table, and which row of it, (n,) each.
    tables_of = np.repeat(np.arange(len(joined)), [len(table) for table in joined])
    rows_of = np.concatenate([np.arange(len(table)) for table in joined])
    logged, source = (np.concatenate([table[name] for table in joined]) for name in (LOG_OFFSET, _SOURCE_OFFSET))
    order = np.lexsort((source, logged))
    for run in np.split(order, np.flatnonzero(np.diff(tables_of[order])) + 1):
        yield joined[tables_of[run[0]]].take(pa.array(rows_of[run]))


def _width(table: Any) -> int:
    return int(table.schema.field(VECTOR).type.list_size) if VECTOR in table.schema.names else 0
