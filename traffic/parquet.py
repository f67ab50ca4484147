"""Simulated traffic as Parquet files: clicks, purchases and, apart from them, the truth.

    FOLDER/clicks/part-00000.parquet     columns as the fields of `Click`
    FOLDER/purchases/part-00000.parquet  ... of `Purchase`
    FOLDER/truth/part-00000.parquet      ... of `Truth`

Files are written under hidden names and get their own when all of them are complete: who looks sees all or nothing.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct

from contracts.errors import Misconfigured
from contracts.files import refuse_used
from traffic.blocks import Block, blocks
from traffic.robots import HUMAN, KINDS
from traffic.scenario import Scenario
from traffic.tables import click_batch, purchase_batch, truth_batch

_ROWS_PER_GROUP: Final = 131_072
_ROWS_PER_FILE: Final = 8 * _ROWS_PER_GROUP
# Nearly every value is another one, or there are but two: a dictionary would only be in the way.
_WITHOUT_DICTIONARY: Final = frozenset(
    {"click_id", "session_id", "purchase_id", "clicked_at_ms", "purchased_at_ms", "value_micros", "logged_in", "robot"}
)


class ParquetSummary(Struct):
    """What was written."""

    folder: str
    clicks: int
    robot_clicks: int
    purchases: int
    seconds: float


def write_parquet(
    scenario: Scenario, folder: Path, on_written: Callable[[int], None] = lambda _: None
) -> ParquetSummary:
    """Write the scenario's traffic; `on_written` hears the number of clicks now and then. Equal scenarios, equal bytes.

    Raises Refused for a folder that is not empty, Misconfigured for one that cannot be written or a scenario that makes
    no traffic. In memory are a row group, what is carried over, and all purchases from before the start.
    """
    scenario.check()
    began_s = time.monotonic()
    refuse_used(folder)
    try:
        with _Files(folder) as files:
            robot_clicks = _write(scenario, files, on_written)
            files.show()
    except OSError as error:
        raise Misconfigured(f"The traffic cannot be written to {folder}: {error.strerror or error}.") from error
    seconds = round(time.monotonic() - began_s, 3)
    return ParquetSummary(str(folder), files.rows["clicks"], robot_clicks, files.rows["purchases"], seconds)


def _write(scenario: Scenario, files: "_Files", on_written: Callable[[int], None]) -> int:
    """Number of robots' clicks among all that were written."""
    robot_clicks = 0
    for number, clicks, purchases in _row_groups(blocks(scenario)):
        files.write("clicks", click_batch(clicks, scenario.id_prefix, number))
        files.write("truth", truth_batch(clicks, scenario.id_prefix, number))
        files.write("purchases", purchase_batch(purchases, scenario.id_prefix))
        robot_clicks += int((clicks["kind"] != KINDS.index(HUMAN)).sum())
        on_written(files.rows["clicks"])
    return robot_clicks


def _row_groups(parts: Iterator[Block]) -> Iterator[Block]:
    """The same rows in fewer blocks, each of about a row group."""
    waiting: list[Block] = []
    rows = 0
    for part in parts:
        waiting.append(part)
        rows += len(part.clicks) + len(part.purchases)
        if rows >= _ROWS_PER_GROUP:
            yield _joined(waiting)
            waiting, rows = [], 0
    if waiting:
        yield _joined(waiting)


def _joined(parts: list[Block]) -> Block:
    clicks, purchases = ([part[column] for part in parts] for column in (1, 2))
    return Block(parts[0].first_number, np.concatenate(clicks), np.concatenate(purchases))


class _Files:
    """Parquet files of each name, cut after so many rows; they vanish on leaving unless `show` was called."""

    def __init__(self, folder: Path) -> None:
        self.rows = dict.fromkeys(("clicks", "purchases", "truth"), 0)
        self._folder = folder
        self._hidden: list[Path] = []
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._rows_of_file: dict[str, int] = {}

    def write(self, name: str, batch: pa.RecordBatch) -> None:
        """Append rows, cut into row groups."""
        writer = self._writers.get(name) or self._open(name, batch.schema)
        writer.write_table(pa.Table.from_batches([batch]), row_group_size=_ROWS_PER_GROUP)
        self.rows[name] += len(batch)
        self._rows_of_file[name] += len(batch)
        if self._rows_of_file[name] >= _ROWS_PER_FILE:
            self._writers.pop(name).close()

    def show(self) -> None:
        """Complete all files and give them their names."""
        self._close()
        for path in self._hidden:
            path.rename(path.with_name(path.name.removeprefix(".")))
        self._hidden = []

    def _open(self, name: str, schema: pa.Schema) -> pq.ParquetWriter:
        number = sum(path.parent.name == name for path in self._hidden)
        path = self._folder / name / f".part-{number:05}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._hidden.append(path)
        self._rows_of_file[name] = 0
        words = [column for column in schema.names if column not in _WITHOUT_DICTIONARY]
        self._writers[name] = pq.ParquetWriter(
            path, schema, compression="zstd", use_dictionary=words, store_schema=False
        )
        return self._writers[name]

    def _close(self) -> None:
        for name in list(self._writers):
            self._writers.pop(name).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        for path in self._hidden:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in self._hidden}:
            folder.rmdir()
