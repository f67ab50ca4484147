"""Bring a file's clicks and purchases into Kafka, in time order, at the speed they happened at or another."""

import heapq
import time
from collections.abc import Callable, Iterable, Iterator
from io import TextIOWrapper
from itertools import chain
from pathlib import Path

from msgspec import Struct

from contracts.errors import Misconfigured
from contracts.events import Click, Purchase
from traffic.csv_import import BadRow, Row, convert
from traffic.mapping import Mapping
from traffic.pace import Lateness, Schedule, on_time, time_of
from traffic.publish import Publisher

_PROGRESS_ROWS = 5000


class ImportSummary(Struct):
    """What an import did. All that it counts as clicks and purchases is stored in Kafka."""

    rows: int
    clicks: int
    purchases: int
    bad_rows: int
    seconds: float
    stopped_early: bool  # more bad rows than were allowed
    late_ms_p99: int  # behind the times of a paced import


def import_file(
    path: Path,
    mapping: Mapping,
    publisher: Publisher,
    speed: float | None,
    max_bad_rows: int,
    on_bad_row: Callable[[BadRow], None],
    on_progress: Callable[[int], None] = lambda _: None,
) -> ImportSummary:
    """Send the file's events; `speed` 1 as they happened, 60 an hour in a minute, None as fast as possible.

    Ends early once more than `max_bad_rows` rows are bad. `on_progress` is told how many bytes of the file are read.
    Raises Misconfigured for a file that can't be opened or does not fit the mapping, Refused if Kafka would not keep
    records as old as these, Unavailable.
    """
    began_s = time.monotonic()
    try:
        binary = path.open("rb")
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}.") from error
    with TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        reading = _Reading(max_bad_rows, on_bad_row, lambda: on_progress(binary.tell()))
        events = in_time_order(reading.good(convert(lines, mapping, path.stem)))
        lateness = _send(events, publisher, speed)
    publisher.confirm()
    return ImportSummary(
        rows=reading.rows,
        clicks=publisher.clicks,
        purchases=publisher.purchases,
        bad_rows=reading.bad_rows,
        seconds=round(time.monotonic() - began_s, 3),
        stopped_early=reading.bad_rows > max_bad_rows,
        late_ms_p99=lateness.quantile_ms(0.99),
    )


def in_time_order(rows: Iterable[Row]) -> Iterator[Click | Purchase]:
    """Clicks as they come, and each purchase before the first click that is later than it."""
    waiting: list[tuple[int, int, Purchase]] = []
    for line, click, purchase in rows:
        if click:
            while waiting and waiting[0][0] <= click.clicked_at_ms:
                yield heapq.heappop(waiting)[2]
            yield click
        if purchase:
            heapq.heappush(waiting, (purchase.purchased_at_ms, line, purchase))
        if not click:  # a file without clicks has nothing to wait for
            yield from (heapq.heappop(waiting)[2] for _ in range(len(waiting)))
    yield from (purchase for _, _, purchase in sorted(waiting))


class _Reading:
    """Counts rows as they pass, and lets the good ones through."""

    def __init__(self, max_bad_rows: int, on_bad_row: Callable[[BadRow], None], progress: Callable[[], None]) -> None:
        self.rows = 0
        self.bad_rows = 0
        self._max_bad_rows = max_bad_rows
        self._on_bad_row = on_bad_row
        self._progress = progress

    def good(self, rows: Iterable[Row | BadRow]) -> Iterator[Row]:
        for row in rows:
            self.rows += 1
            if self.rows % _PROGRESS_ROWS == 0:
                self._progress()
            if isinstance(row, Row):
                yield row
                continue
            self.bad_rows += 1
            self._on_bad_row(row)
            if self.bad_rows > self._max_bad_rows:
                return
        self._progress()


def _send(events: Iterator[Click | Purchase], publisher: Publisher, speed: float | None) -> Lateness:
    lateness = Lateness()
    first = next(events, None)
    if first is None:
        return lateness
    publisher.refuse_expired(time_of(first), round(time.time() * 1000))
    events = chain([first], events)
    if speed is not None:
        events = on_time(events, time_of, Schedule(time_of(first), time.monotonic(), speed), lateness)
    for event in events:
        publisher.send(event)
    return lateness
