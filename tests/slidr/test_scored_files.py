"""Scored clicks in Parquet: they come back as they went, and what can't be used is said in a sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.errors import BadInput, Misconfigured
from contracts.scored import Scored
from model.manifest import SLICES
from slidr.scored_files import read_scored, write_scored
from tests.slidr.scored import scored_clicks

FEW = scored_clicks().rows(slice(0, 500))


def same(a: Scored, b: Scored) -> bool:
    columns = [np.array_equal(x, y) for x, y in zip(a, b, strict=True) if isinstance(x, np.ndarray)]
    return all(columns) and a.slices == b.slices


def test_clicks_come_back_as_they_were_written(tmp_path: Path) -> None:
    write_scored(tmp_path / "a.parquet", FEW)

    again = read_scored(tmp_path / "a.parquet", SLICES)

    assert same(again._replace(kind_index=None, kinds=None), FEW._replace(kind_index=None, kinds=None))
    assert again.kinds is not None
    assert again.kind_index is not None
    assert FEW.kinds is not None
    assert FEW.kind_index is not None
    assert [again.kinds[i] for i in again.kind_index] == [FEW.kinds[i] for i in FEW.kind_index]
    assert [column.dtype for column in again[1:8]] == [column.dtype for column in FEW[1:8]]
    assert list(tmp_path.iterdir()) == [tmp_path / "a.parquet"]


def test_a_folder_is_read_in_the_order_of_names_whatever_dictionaries_its_files_have(tmp_path: Path) -> None:
    write_scored(tmp_path / "2.parquet", FEW.rows(slice(300, 500)))
    write_scored(tmp_path / "1.parquet", FEW.rows(slice(0, 300))._replace(kinds=("burst", "x"), slices=SLICES))

    again = read_scored(tmp_path, SLICES)

    assert again.score.tolist() == FEW.score.tolist()
    assert again.slice_index.tolist() == FEW.slice_index.tolist()
    assert again.kinds == ("burst", "human", "x")


def test_kinds_are_optional(tmp_path: Path) -> None:
    write_scored(tmp_path / "a.parquet", FEW._replace(kinds=None, kind_index=None))

    assert read_scored(tmp_path / "a.parquet", SLICES).kinds is None


def changed(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        write_scored(path, FEW)
        columns = pq.read_table(path).to_pydict()
        change(columns)
        pq.write_table(pa.table(columns), path)

    return write


def cut(path: Path) -> None:
    write_scored(path, FEW)
    path.write_bytes(path.read_bytes()[:-400])


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (cut, "cannot be read as Parquet"),
        (lambda path: path.write_text("score,slice"), "cannot be read as Parquet"),
        (changed(lambda columns: columns.pop("by_rules")), "has no column by_rules"),
        (changed(lambda columns: columns.update(slice=["phone|user"] * 500)), "unknown slices: phone|user"),
        (changed(lambda columns: columns.update(score=["high"] * 500)), "column score is string, expected double"),
        (changed(lambda columns: columns.update(score=[None] * 500)), "500 of 500 clicks have no score"),
        (changed(lambda columns: columns.update(slice=[1] * 500)), "unknown slices: 1"),
        (changed(lambda columns: columns.update(hour_of_week=[168] * 500)), "an hour_of_week is 168"),
        (changed(lambda columns: columns.update(clicked_at_ms=[0.5] * 500)), "column clicked_at_ms is double"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, write: Callable[[Path], None], says: str) -> None:
    write(tmp_path / "a.parquet")

    with pytest.raises(BadInput, match=says.replace("|", r"\|")):
        read_scored(tmp_path / "a.parquet", SLICES)


def test_no_file_and_an_empty_folder_are_the_operators(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="There is no"):
        read_scored(tmp_path / "nowhere", SLICES)
    with pytest.raises(Misconfigured, match=r"has no \*.parquet files"):
        read_scored(tmp_path, SLICES)
