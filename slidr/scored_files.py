"""Scored clicks in Parquet: a file, or a folder of `*.parquet` in the order of their names; one row a click.

score                double      written score, 0 to 1
slice                string      such as `mobile|user`
purchasing           bool
by_rules             bool
session_clicks_1h    float
hour_of_week         int16       0 (Monday 0:00, local) to 167
clicked_at_ms        int64
kind                 string      what really made the click; only of simulated traffic
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.errors import BadInput, Misconfigured
from contracts.files import written_whole
from contracts.scored import HOURS_OF_WEEK, Scored

_COLUMNS: Final[dict[str, tuple[Any, Any]]] = {
    "score": (pa.float64(), np.float64),
    "purchasing": (pa.bool_(), np.bool_),
    "by_rules": (pa.bool_(), np.bool_),
    "session_clicks_1h": (pa.float32(), np.float32),
    "hour_of_week": (pa.int16(), np.int16),
    "clicked_at_ms": (pa.int64(), np.int64),
}


def read_scored(path: Path, slices: Sequence[str]) -> Scored:
    """Read scored clicks; `slices` are those that there are.

    Raises Misconfigured if there is no such file, and BadInput for one that cannot be read or used.
    """
    table = pa.concat_tables([_read(file) for file in _files(path)], promote_options="permissive")
    columns = {name: _column(table, name, path) for name in _COLUMNS}
    wrong = (columns["hour_of_week"] < 0) | (columns["hour_of_week"] >= HOURS_OF_WEEK)
    if wrong.any():
        found = columns["hour_of_week"][wrong][0]
        raise BadInput(f"{path}: an hour_of_week is {found}; expected 0 (Monday 0:00) to 167.", "hour_of_week")
    kinds, kind_index = _kinds(table, path)
    return Scored(
        slices=tuple(slices),
        slice_index=_slice_index(table, slices, path),
        kinds=kinds,
        kind_index=kind_index,
        **columns,
    )


def write_scored(path: Path, scored: Scored) -> None:
    """Write scored clicks as one file, whole or not at all."""
    columns = {name: pa.array(getattr(scored, name), kind) for name, (kind, _) in _COLUMNS.items()}
    columns["slice"] = _named(scored.slices, scored.slice_index)
    if scored.kinds is not None and scored.kind_index is not None:
        columns["kind"] = _named(scored.kinds, scored.kind_index)
    with written_whole(path) as draft:
        pq.write_table(pa.table(columns), draft)


def _named(names: tuple[str, ...], index: npt.NDArray[np.int16]) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(index, pa.int16()), pa.array(names, pa.string()))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(path.glob("*.parquet"))
        if not files:
            raise Misconfigured(f"The folder {path} has no *.parquet files. Name one with scored clicks.")
        return files
    if not path.exists():
        raise Misconfigured(f"There is no {path}. Name a Parquet file of scored clicks, or a folder of them.")
    return [path]


def _read(file: Path) -> Any:
    wanted = [*_COLUMNS, "slice", "kind"]
    try:
        with pq.ParquetFile(file) as parquet:
            names = [name for name in parquet.schema_arrow.names if name in wanted]
            missing = [name for name in wanted if name not in names and name != "kind"]
            if missing:
                raise BadInput(
                    f"{file} has no column {', '.join(missing)}. Expected: {', '.join(wanted)} (the last if known)."
                )
            return parquet.read(columns=names)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{file} cannot be read as Parquet: {error}. Write it again.") from error


def _column(table: Any, name: str, path: Path) -> npt.NDArray[Any]:
    kind, dtype = _COLUMNS[name]
    _refuse_nulls(table, name, path)
    try:
        return np.asarray(table[name].cast(kind).to_numpy(), dtype)
    except pa.ArrowException as error:
        raise BadInput(f"{path}: column {name} is {table[name].type}, expected {kind}: {error}", name) from error


def _slice_index(table: Any, slices: Sequence[str], path: Path) -> npt.NDArray[np.int16]:
    _refuse_nulls(table, "slice", path)
    names = _text(table, "slice", path)
    found = pc.index_in(names, pa.array(slices, pa.string()))
    if found.null_count:
        unknown = sorted(set(pc.unique(names).to_pylist()) - set(slices))
        raise BadInput(
            f"{path} has clicks of unknown slices: {', '.join(unknown[:5])}. Expected: {', '.join(slices)}.", "slice"
        )
    return np.asarray(found.to_numpy(), np.int16)


def _kinds(table: Any, path: Path) -> tuple[tuple[str, ...] | None, npt.NDArray[np.int16] | None]:
    if "kind" not in table.column_names:
        return None, None
    _refuse_nulls(table, "kind", path)
    names = _text(table, "kind", path)
    kinds = tuple(sorted(pc.unique(names).to_pylist()))
    return kinds, np.asarray(pc.index_in(names, pa.array(kinds, pa.string())).to_numpy(), np.int16)


def _text(table: Any, name: str, path: Path) -> Any:
    try:
        return table[name].cast(pa.string())
    except pa.ArrowException as error:
        raise BadInput(f"{path}: column {name} is {table[name].type}, expected text: {error}", name) from error


def _refuse_nulls(table: Any, name: str, path: Path) -> None:
    if nulls := table[name].null_count:
        raise BadInput(f"{path}: {nulls:,} of {len(table):,} clicks have no {name}. Write the file again.", name)
