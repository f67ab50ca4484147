"""Parquet files of one kind, cut into row groups and parts, so that nothing in memory grows with history."""

from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

ROWS_PER_GROUP: Final = 65_536
ROWS_PER_FILE: Final = 16 * ROWS_PER_GROUP


class PartFiles:
    """Writes batches of one schema to `folder`/part-00000.parquet and so on; there is at least one file."""

    def __init__(self, folder: Path, schema: Any) -> None:
        folder.mkdir()
        self.rows = 0
        self._folder, self._schema = folder, schema
        self._files = 0
        self._rows_of_file = 0
        self._waiting: list[Any] = []
        self._rows_waiting = 0
        self._writer = self._open()

    def write(self, batch: Any) -> None:
        """Append rows."""
        self._waiting.append(batch)
        self._rows_waiting += len(batch)
        self.rows += len(batch)
        if self._rows_waiting >= ROWS_PER_GROUP:
            self._write_group()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._waiting:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        if self._rows_of_file >= ROWS_PER_FILE:
            self._writer.close()
            self._writer = self._open()
        self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema), row_group_size=self._rows_waiting)
        self._rows_of_file += self._rows_waiting
        self._waiting, self._rows_waiting = [], 0

    def _open(self) -> Any:
        path = self._folder / f"part-{self._files:05}.parquet"
        self._files, self._rows_of_file = self._files + 1, 0
        # Features are numbers that seldom repeat exactly by column: plain bytes compress as well and read faster.
        words = [f.name for f in self._schema if pa.types.is_string(f.type) and not f.name.endswith("_id")]
        return pq.ParquetWriter(
            path,
            self._schema,
            compression="zstd",
            write_page_checksum=True,
            use_dictionary=[*words, "advertiser_id", "campaign_id", "ad_id"],
        )
