"""Rows of one topic that wait for the next flush, and the offsets that they cover: pure."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from archive.commits import Range, Skip, Source
from archive.rows import Rows
from archive.topics import EVENT_TIMES
from contracts.topics import HOUR_MS, Topic


class Part(NamedTuple):
    """Rows of one event hour, all of one width (None: not the feature log)."""

    hour_ms: int
    features: int | None
    table: Any


class Pending:
    """What was read since the last flush."""

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._ranges: dict[int, Range] = {}
        self._skips: dict[int, list[Skip]] = {}
        self._batches: dict[int | None, list[Any]] = {}
        self.rows = 0
        self.skips = 0
        self.bytes = 0

    def add(self, partition: int, first: int, end: int, rows: Rows) -> None:
        """Take in offsets `first` up to `end` of a partition, which go on where those before ended."""
        before = self._ranges.get(partition) or Range(partition, first, first, 0, 0)
        assert before.end == first, "offsets come in order"
        made = sum(map(len, rows.batches))
        self._ranges[partition] = Range(partition, before.first, end, before.records + rows.records, before.rows + made)
        self._skips.setdefault(partition, []).extend(rows.skips)
        self.rows += made
        self.skips += len(rows.skips)
        for batch in rows.batches:
            self.bytes += batch.nbytes
            self._batches.setdefault(self._width(batch), []).append(batch)

    def end(self, partition: int) -> int | None:
        """Where the offsets of a partition that wait end; None if none does."""
        part = self._ranges.get(partition)
        return None if part is None else part.end

    def ranges(self) -> tuple[Range, ...]:
        """What is covered, by partition."""
        return tuple(
            Range(part.partition, part.first, part.end, part.records, part.rows, tuple(self._skips[partition]))
            for partition, part in sorted(self._ranges.items())
        )

    def sources(self) -> tuple[Source, ...]:
        """The same, without what became of it; only partitions with rows."""
        return tuple(Source(part.partition, part.first, part.end) for part in self.ranges() if part.rows)

    def parts(self) -> Iterator[Part]:
        """All rows, each in the part of its event hour, in the order in which they came."""
        for features, batches in self._batches.items():
            table = pa.Table.from_batches(batches)
            hours = pc.divide(table[EVENT_TIMES[self._topic]], HOUR_MS)
            for hour in pc.unique(hours).sort().to_pylist():
                yield Part(hour * HOUR_MS, features, table.filter(pc.equal(hours, hour)).combine_chunks())

    def _width(self, batch: Any) -> int | None:
        if self._topic is not Topic.FEATURE_LOG:
            return None
        return int(batch.schema.field("features").type.list_size)
