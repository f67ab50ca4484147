"""Rows of the feature log, many at once in columns: those of a span, each click once, those that were selected.

feature-log[0]   |10..39|40..52|  |31..39|  |53..80|      a paused worker's repetition in the middle
span 20 to 60      20.. ..39 40..52           53..59      what is not above the last offset is left out
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from confluent_kafka import Consumer, Message

from billing.log import Stretch, place
from contracts.errors import BadInput
from contracts.feature_log import FIRST_OFFSET_HEADER, LAST_OFFSET_HEADER, decode
from contracts.ports import FloatMatrix
from contracts.replay import Selection, Span
from replay.reading import read_stretch

# Rows that are decided at once, if the rate allows: a batch of Arrow costs as much for one row as for a thousand.
MOST_ROWS: Final = 8_192
_FEATURES: Final = "features"


class Rows(NamedTuple):
    """n rows of one partition in offset order. `columns` is an Arrow table of what a Decision has.

    `next_offset` and `log_offset` are where reading goes on behind them, in `clicks[p]` and in `feature-log[p]`.
    """

    columns: Any
    features: FloatMatrix
    next_offset: int
    log_offset: int

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Source offsets, (n,)."""
        return np.asarray(self.columns["source_offset"].to_numpy())

    def where(self, mask: npt.NDArray[np.bool_]) -> "Rows":
        """Those of the rows that are true in `mask` (n,)."""
        if mask.all():
            return self
        return self._replace(columns=self.columns.filter(pa.array(mask)), features=self.features[mask])


# As `replay.logs.Logs.rows`.
ReadRows = Callable[[Consumer, int, Span, int], Iterator[Rows]]


def headers_of(record: Message) -> dict[str, bytes]:
    """Headers of a record."""
    return dict(cast(list[tuple[str, bytes]], record.headers() or []))


def offsets_of(record: Message) -> tuple[int, int]:
    """First and last source offset of a message of the feature log. Raises BadInput where it does not say."""
    headers = headers_of(record)
    try:
        return int(headers[FIRST_OFFSET_HEADER]), int(headers[LAST_OFFSET_HEADER])
    except (KeyError, ValueError) as error:
        partition, offset = place(record)
        raise BadInput(
            f"{record.topic()}[{partition}] offset {offset} does not say which clicks it holds ({error}). Find out who "
            "wrote it."
        ) from error


def read_rows(
    consumer: Consumer, topic: str, partition: int, log: Stretch, source: Stretch, most_rows: int = MOST_ROWS
) -> Iterator[Rows]:
    """Rows of the clicks in `source`, read from the messages in `log`, about `most_rows` at once."""
    last = source.first - 1
    for records in read_stretch(consumer, topic, partition, log):
        waiting: list[Message] = []
        rows = 0
        for record in records:
            if offsets_of(record)[1] > last:
                waiting.append(record)
                rows += offsets_of(record)[1] - offsets_of(record)[0] + 1
            if rows >= most_rows or record is records[-1]:
                for part in _joined(waiting):
                    found = within(part, last, source.end, place(record)[1] + 1)
                    last = max(last, found.next_offset - 1)
                    yield found
                waiting, rows = [], 0


def rows_of(records: Sequence[Message]) -> Iterator[Rows]:
    """All rows of messages, as they are."""
    for table in _joined(records):
        yield _rows(table, 0, place(records[-1])[1] + 1)


def selected(rows: Rows, selection: Selection) -> npt.NDArray[np.bool_]:
    """Which rows (n,) a replay is asked to decide."""
    mask = np.ones(len(rows.columns), np.bool_)
    wanted: Mapping[str, Sequence[str]] = {
        "slice": selection.slices,
        "advertiser_id": selection.advertisers,
        "model_version": (selection.model_version_was,) if selection.model_version_was else (),
    }
    for name, values in wanted.items():
        if values:
            mask &= pc.is_in(rows.columns[name], value_set=pa.array(values)).to_numpy()
    return mask


def plain(column: Any) -> list[Any]:
    """A column's values as Python's, None for nulls. Five times as quick as `to_pylist`."""
    if column.null_count and not pa.types.is_string(column.type):
        return list(column.to_pylist())  # numpy has no integer for a null
    return list(column.to_numpy().tolist())


def rules_of(column: Any) -> list[tuple[str, ...]]:
    """The rules that fired on each row; on most of them none did."""
    found: list[tuple[str, ...]] = [()] * len(column)
    ruled = np.flatnonzero(pc.list_value_length(column).to_numpy())
    for row, rules in zip(ruled.tolist(), column.take(pa.array(ruled)).to_pylist(), strict=True):
        found[row] = tuple(rules)
    return found


def _joined(records: Sequence[Message]) -> Iterator[Any]:
    """Tables of the messages, one for each run of messages with the same number of features."""
    batches = [decode(record.value() or b"", headers_of(record)) for record in records]
    first = 0
    for at in range(1, len(batches) + 1):
        if at == len(batches) or batches[at].schema != batches[first].schema:
            yield pa.Table.from_batches(batches[first:at])
            first = at


def within(table: Any, last: int, end: int, log_offset: int) -> Rows:
    """Rows of a table above `last` and above all before them, below `end`; reading goes on at `log_offset`."""
    rows = _rows(table, last + 1, log_offset)
    offsets = rows.offsets
    before = np.maximum.accumulate(np.concatenate(([last], offsets[:-1]))) if len(offsets) else offsets
    kept = rows.where((offsets > before) & (offsets < end))
    return kept._replace(next_offset=min(end, max(last, int(offsets.max(initial=last))) + 1))


def _rows(table: Any, next_offset: int, log_offset: int) -> Rows:
    column = table[_FEATURES].combine_chunks()
    # A table with one chunk gives the chunk itself, a table without rows an empty one.
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    features = np.asarray(column.flatten()).reshape(len(table), column.type.list_size)
    return Rows(table.drop_columns([_FEATURES]), features, next_offset, log_offset)
