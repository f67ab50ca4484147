"""Where in the two logs a time falls: the first row decided at it or later, in Kafka or in the archive."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from confluent_kafka import Consumer

from archive.log_order import LOG_OFFSET
from archive.log_view import LogView
from billing.log import Stretch, place, scan
from contracts.feature_log import decode
from replay.rows import headers_of, offsets_of

# Records of the feature log that may stand between a paused worker's repetitions, see streams/start_points.
RECORDS_BACK: Final = 64
DECIDED_AT: Final = "decided_at_ms"
_COLUMNS: Final = (DECIDED_AT, "source_offset", LOG_OFFSET)


class Place(NamedTuple):
    """A boundary in one partition: the record of a log and the source offset of its first row behind it."""

    log_offset: int
    source_offset: int


def place_in_kafka(
    consumer: Consumer, topic: str, partition: int, held: Stretch, since: int, at_ms: int, above: int
) -> Place:
    """The first row decided at `at_ms` or later, of records at `since` or behind; the end if there is none.

    Rows up to `above` stand before what Kafka holds, so here they are repetitions.
    """
    stretch = Stretch(max(held.first, since - RECORDS_BACK), held.end)
    for records in scan(consumer, topic, {partition: stretch}):
        for record in records:
            if place(record)[1] >= since:
                batch = decode(record.value() or b"", headers_of(record))
                rows = zip(batch["source_offset"].to_pylist(), batch[DECIDED_AT].to_pylist(), strict=True)
                for offset, decided_at_ms in rows:
                    if offset > above and decided_at_ms >= at_ms:
                        return Place(place(record)[1], offset)
            above = max(above, offsets_of(record)[1])
    return Place(held.end, above + 1)


def place_in_archive(view: LogView, partition: int, end: int, at_ms: int) -> Place | None:
    """The same among the archived records before `end`; None if there is none."""
    for _, _, logged in _rows(view, partition, 0, end, at_ms):
        above = -1
        for offsets, decided_at_ms, records in _rows(view, partition, max(0, int(logged[0]) - RECORDS_BACK), end):
            before = np.maximum.accumulate(np.concatenate(([above], offsets[:-1])))
            found = np.flatnonzero((offsets > before) & (decided_at_ms >= at_ms))
            if len(found):
                return Place(int(records[found[0]]), int(offsets[found[0]]))
            above = max(above, int(offsets.max()))
    return None


def highest_before(view: LogView, partition: int, end: int) -> int:
    """The highest source offset of the archived records before `end`, -1 if there are none."""
    last = _rows(view, partition, max(0, end - RECORDS_BACK), end)
    return max((int(offsets.max()) for offsets, _, _ in last), default=-1)


def times_around(view: LogView, partition: int, first: int, end: int, held: int) -> tuple[int | None, int | None]:
    """When the rows right before and right behind some records were decided, of those before `held`; None without."""
    before = [int(decided.max()) for _, decided, _ in _rows(view, partition, max(0, first - RECORDS_BACK), first)]
    behind = next((int(decided[0]) for _, decided, _ in _rows(view, partition, end, held)), None)
    return max(before, default=None), behind


_Columns = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]


def _rows(view: LogView, partition: int, first: int, end: int, since_ms: int | None = None) -> Iterator[_Columns]:
    """Source offsets, times of decision and log offsets of archived rows, in log order; those since a time."""
    since = None if since_ms is None else (DECIDED_AT, since_ms)
    for table in view.rows(partition, first, end, _COLUMNS, since) if first < end else ():
        rows: Any = table
        decided = rows[DECIDED_AT].to_numpy()
        mask = np.ones(len(decided), np.bool_) if since_ms is None else decided >= since_ms
        if mask.any():
            yield rows["source_offset"].to_numpy()[mask], decided[mask], rows[LOG_OFFSET].to_numpy()[mask]
