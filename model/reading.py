"""Labelled clicks, read a row group at a time: nothing here holds more of them than it was asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.errors import BadInput, Misconfigured
from contracts.ports import FloatMatrix
from model.labelled import feature_matrix_of, schema
from model.weights import CELLS, cells

_TIME: Final = "clicked_at_ms"
_KIND: Final = "kind"
_EVER: Final = (-(1 << 62), 1 << 62)


class Group(NamedTuple):
    """One row group of a file, and when its first and last click were made."""

    path: str
    number: int
    rows: int
    first_ms: int
    last_ms: int


class Taught(NamedTuple):
    """Clicks as a network learns them: features (n, F) float32; cell (n,) and human (n,), see `weights`."""

    features: FloatMatrix
    cell: npt.NDArray[np.int64]
    human: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Labelled:
    """Labelled clicks from `from_ms` up to before `until_ms`: their row groups, in time order.

    `with_kinds`: the files say what really made each click.
    """

    groups: tuple[Group, ...]
    from_ms: int
    until_ms: int
    with_kinds: bool = False

    @property
    def rows_at_most(self) -> int:
        """Number of clicks, those of the first and last row group outside of the range included."""
        return sum(group.rows for group in self.groups)

    def between(self, from_ms: int, until_ms: int) -> "Labelled":
        """Those of a part of the time."""
        groups = tuple(group for group in self.groups if group.first_ms < until_ms and group.last_ms >= from_ms)
        return replace(self, groups=groups, from_ms=max(from_ms, self.from_ms), until_ms=min(until_ms, self.until_ms))

    def of(self, groups: Sequence[Group]) -> "Labelled":
        """Those of some row groups."""
        return replace(self, groups=tuple(groups))

    def tables(self, columns: Sequence[str]) -> Iterator[Any]:
        """Arrow tables, one a row group, of the clicks within the range. Raises BadInput for a damaged file."""
        for group in self.groups:
            yield self._table(group, columns)

    def count(self) -> npt.NDArray[np.int64]:
        """Clicks by cell and label, (CELLS, 2): non-human, human."""
        counts = np.zeros(2 * CELLS, np.int64)
        for table in self.tables(("hour_of_week", "logged_in", "human")):
            cell, human = _cells_of(table)
            counts += np.bincount(2 * cell + human, minlength=2 * CELLS)
        return counts.reshape(CELLS, 2)

    def taught(self, columns: npt.NDArray[np.intp] | None) -> Iterator[Taught]:
        """Clicks with the features at `columns` of the table (None: all of it), a row group at a time."""
        for table in self.tables(("hour_of_week", "logged_in", "human", "features")):
            features = matrix_of(table)
            cell, human = _cells_of(table)
            yield Taught(features if columns is None else features[:, columns], cell, human)

    def _table(self, group: Group, columns: Sequence[str]) -> Any:
        whole = group.first_ms >= self.from_ms and group.last_ms < self.until_ms
        wanted = list(columns) if whole or _TIME in columns else [*columns, _TIME]
        try:
            with pq.ParquetFile(group.path, page_checksum_verification=True) as file:
                table = file.read_row_group(group.number, wanted, use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise BadInput(f"{group.path} cannot be read: {error} Write the labels again.") from error
        if whole:
            return table
        within = pc.and_(pc.greater_equal(table[_TIME], self.from_ms), pc.less(table[_TIME], self.until_ms))
        return table.filter(within).select(list(columns))


def open_labelled(folder: Path) -> Labelled:
    """What `labels.write_labels` wrote. Raises Misconfigured for a folder without such files, BadInput for damage."""
    files = [(path, *_opened(path)) for path in sorted(folder.glob("*.parquet"))]
    if not files:
        raise Misconfigured(f"{folder} holds no labelled clicks. Name a folder that labels were written to.")
    groups = tuple(group for path, metadata, names in files for group in _groups_of(path, metadata, names))
    return Labelled(groups, *_EVER, with_kinds=all(_KIND in names for _, _, names in files))


def matrix_of(table: Any) -> FloatMatrix:
    """Features of a table, (n, all) float32."""
    return feature_matrix_of(table["features"].combine_chunks())


def _opened(path: Path) -> tuple[Any, list[str]]:
    """Metadata and columns of a file."""
    try:
        with pq.ParquetFile(path) as file:
            metadata, names = file.metadata, file.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path} cannot be read as Parquet: {error} Write the labels again.") from error
    if names != schema(_KIND in names).names:
        raise Misconfigured(f"{path} has the columns {names}, which are not those of labelled clicks.")
    return metadata, names


def _groups_of(path: Path, metadata: Any, names: list[str]) -> Iterator[Group]:
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        times = group.column(names.index(_TIME)).statistics
        yield Group(str(path), number, group.num_rows, times.min, times.max)


def _cells_of(table: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    hours, logged_in, human = (table[name].to_numpy() for name in ("hour_of_week", "logged_in", "human"))
    return cells(hours, logged_in), human
