"""Labelled clicks in Parquet: what is written of each, checked on the way."""

from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import BadInput, Refused
from contracts.features import FEATURE_IDS, FEATURE_INDEX
from contracts.ports import FloatMatrix
from model.local_time import hour_of_week

# A training epoch draws whole row groups, so they are small.
ROWS_PER_GROUP: Final = 16_384
WIDE: Final = len(FEATURE_IDS)
_FIELDS: Final = [
    ("click_id", pa.string()),
    ("clicked_at_ms", pa.int64()),
    ("slice", pa.dictionary(pa.int32(), pa.string())),
    ("hour_of_week", pa.int16()),
    ("logged_in", pa.bool_()),
    ("human", pa.bool_()),
    ("purchasing", pa.bool_()),
    ("by_rules", pa.bool_()),
    ("session_clicks_1h", pa.float32()),
    ("features", pa.list_(pa.float32(), WIDE)),
]
_KIND: Final = ("kind", pa.dictionary(pa.int32(), pa.string()))
_AS_THEY_ARE: Final = ("click_id", "clicked_at_ms", "human", "purchasing", "by_rules", "session_clicks_1h")


def schema(with_kinds: bool) -> Any:
    """Arrow schema; `kind` names what really made a click, of simulated traffic."""
    return pa.schema([*_FIELDS, _KIND] if with_kinds else _FIELDS)


class Tally(NamedTuple):
    """How many clicks were labelled, and how."""

    clicks: int = 0
    human: int = 0
    purchasing: int = 0

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(*(a + b for a, b in zip(self, other, strict=True)))


def feature_matrix_of(column: Any, wide: int = WIDE) -> FloatMatrix:
    """(n, wide) float32 of an Arrow column of lists. Raises BadInput for lists of another length."""
    lengths = set() if pa.types.is_fixed_size_list(column.type) else set(column.value_lengths().unique().to_pylist())
    values: FloatMatrix = column.flatten().to_numpy(zero_copy_only=False)
    if lengths - {wide} or len(values) != wide * len(column):
        raise BadInput(
            f"Clicks have {sorted(map(str, lengths))} features, expected {wide} of each. Begin after the feature "
            "table was changed, or leave out the files of before."
        )
    return values.reshape(len(column), wide)


class DayWriter:
    """Writes the labelled clicks of one UTC day, in time order, checking that they can be trained on."""

    def __init__(self, folder: Path, day: int, with_kinds: bool) -> None:
        self._schema = schema(with_kinds)
        name = f"{np.datetime64(day, 'D')}.parquet"
        self._writer = pq.ParquetWriter(
            folder / name,
            self._schema,
            compression="zstd",
            use_dictionary=["slice", "kind"],
            write_page_checksum=True,
        )
        self._waiting: list[Any] = []
        self._rows_waiting = 0
        # Where the last click came from: one that comes twice stands side by side with itself.
        self._last = (-1, -1, -1)

    def write_all(self, batches: Any) -> Tally:
        """Write what a query answers."""
        tally = Tally()
        for batch in batches:
            if len(batch) and len(batch := self._once(batch)):
                self._waiting.append(self._labelled(batch))
                self._rows_waiting += len(batch)
                tally = tally.plus(Tally(len(batch), _count(batch, "human"), _count(batch, "purchasing")))
            if self._rows_waiting >= ROWS_PER_GROUP:
                self._write_groups(self._rows_waiting // ROWS_PER_GROUP * ROWS_PER_GROUP)
        self._write_groups(self._rows_waiting)
        return tally

    def _write_groups(self, rows: int) -> None:
        """Full row groups of what waits; the rest waits on. Their sizes do not depend on how batches came."""
        if rows:
            table = pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(table.slice(0, rows).unify_dictionaries(), row_group_size=ROWS_PER_GROUP)
            self._waiting = table.slice(rows).to_batches()
            self._rows_waiting -= rows

    def _labelled(self, batch: Any) -> Any:
        features = feature_matrix_of(batch["features"])
        _check_finite(features, batch["click_id"])
        clicked_at_ms = batch["clicked_at_ms"].to_numpy()
        calendar = (features[:, FEATURE_INDEX[name]] for name in ("weekday_sin", "weekday_cos"))
        columns = {name: batch[name] for name in _AS_THEY_ARE} | {
            "slice": batch["slice"].dictionary_encode(),
            "hour_of_week": pa.array(hour_of_week(clicked_at_ms, *calendar)),
            "logged_in": pa.array(features[:, FEATURE_INDEX["logged_in"]] != 0),
            "features": pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), WIDE),
            "kind": batch["kind"].dictionary_encode(),
        }
        return pa.RecordBatch.from_arrays([columns[name] for name in self._schema.names], schema=self._schema)

    def _once(self, batch: Any) -> Any:
        """Each click once: a worker that was cut off may have logged it again, and files may overlap."""
        names = ("clicked_at_ms", "source_partition", "source_offset")
        source = np.stack([batch[name].to_numpy() for name in names])  # (3, n)
        before = np.concatenate([np.array(self._last)[:, None], source[:, :-1]], axis=1)
        self._last = tuple(source[:, -1].tolist())
        return batch.filter(pa.array((source != before).any(axis=0)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()


def _check_finite(features: FloatMatrix, click_ids: Any) -> None:
    """Refuse features that are no numbers."""
    finite: npt.NDArray[np.bool_] = np.isfinite(features)
    if not finite.all():
        row, column = np.argwhere(~finite)[0].tolist()
        raise Refused(
            f"Feature {FEATURE_IDS[column]!r} of click {click_ids[row].as_py()!r} is {features[row, column]}, not a "
            f"finite number, and so are {int((~finite).sum()) - 1} others near it. Nothing was labelled; find where "
            "they come from, or leave that file out."
        )


def _count(batch: Any, name: str) -> int:
    return int(batch[name].true_count)
