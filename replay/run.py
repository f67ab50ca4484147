"""Runs one partition of a replay, from wherever its own records say that it stands.

    feature-log[p] ──► rows ──► selected ──► rescored ──► changed? ──► output, in offset order ──► progress

Progress is written after what it tells of is stored. Killed anywhere, the run goes on: what lies between the last
progress and the last record is decided once more, to the same answer, and not written twice.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from confluent_kafka import Consumer
from msgspec.structs import replace

from contracts.agreement import Agreed
from contracts.errors import Unavailable
from contracts.replay import Direction, Replay, ReplayState
from replay.log import ReplayLog, first_progress, now_ms
from replay.logs import Logs
from replay.output import decisions_of, flush, output_topic, write, written
from replay.pace import Pace
from replay.reading import held_in, open_reader
from replay.rescoring import Rescored, Rescorer
from replay.rows import MOST_ROWS, ReadRows, Rows, selected
from replay.standing import Standing, earlier_of, read_standing
from replay.status import is_worked_on
from streams.delivery import Delivery

CHECKPOINT_S: Final = 1.0
# Rows at once, as a share of a second: so small that a live worker beside it never waits for long.
_ROUND_S: Final = 0.02
_FEWEST_ROWS: Final = 256
# Client buffers: a replay reads ahead by seconds, not by gigabytes.
_CONSUMER: Final = {"queued.max.messages.kbytes": 16_384}


@dataclass
class Where:
    """What a run needs to know of the deployment; `archive_uri` as in `Logs`."""

    kafka: Mapping[str, Any]
    prefix: str
    by: str
    archive_uri: str = ""


class Recounted(NamedTuple):
    """How to read rows on features counted again, and how far those are the logged ones; None if that was not seen."""

    read: ReadRows
    agreement: Agreed | None


class PartitionRun:
    """One partition of one run. `on_clicks(n)` hears that n more offsets are done; `stop` ends it at the next rows.

    Rows are as logged, unless they are `recounted`.
    """

    def __init__(
        self, where: Where, replay: Replay, partition: int, rescorer: Rescorer, log: ReplayLog,
        on_clicks: Callable[[int], None] = lambda clicks: None, stop: threading.Event | None = None,
        recounted: Recounted | None = None,
    ) -> None:  # fmt: skip
        self._where = where
        self._replay = replay
        self._partition = partition
        self._span = replay.job.spans[partition]
        self._rescorer = rescorer
        self._log = log
        self._on_clicks = on_clicks
        self._logs = Logs(where.kafka, where.prefix, where.archive_uri)
        self._read: ReadRows = recounted.read if recounted else self._logs.rows
        self._agreement = recounted and recounted.agreement
        self._topic = output_topic(replay, where.prefix)
        self._stop = stop or threading.Event()
        self._pace = Pace(replay.clicks_per_s, time.monotonic, self._stop.wait)
        self._failure: str | None = None
        self._told: tuple[float, int] | None = None
        self._at = first_progress(replay, partition, where.by)

    def run(self) -> ReplayState:
        """Do what is left; "done", "cancelled" if somebody asked for that, "running" if stopped. Raises SlidrError."""
        self._at = self._log.progress_of(self._replay, self._partition, self._where.by)
        if self._at.state != "running":
            self._on_clicks(self._at.next_offset - self._span.first)
            return self._at.state
        consumer = open_reader({**self._where.kafka, **_CONSUMER})
        delivery = Delivery(dict(self._where.kafka), self._fail)
        try:
            self._take_up(consumer)
            if not self._is_cancelled():
                self._replay_rows(consumer, delivery)
            if self._at.next_offset >= self._span.end:
                return self._tell("done")
            return "running" if self._stop.is_set() else self._tell("cancelled")
        finally:
            delivery.close(CHECKPOINT_S)
            consumer.close()

    def _take_up(self, consumer: Consumer) -> None:
        """Go on above what the run has written, whatever the last progress says."""
        tail = written(consumer, self._topic, self._partition, self._replay.id, self._at.output_offset)
        first = max(self._at.next_offset, tail.last + 1)
        self._on_clicks(first - self._span.first)
        self._at = replace(self._at, next_offset=first, written=self._at.written + tail.records,
                           output_offset=tail.end)  # fmt: skip
        self._tell("running")

    def _replay_rows(self, consumer: Consumer, delivery: Delivery) -> None:
        standing = self._read_standing(consumer, self._at.next_offset)
        left = replace(self._span, first=self._at.next_offset, log_first=self._at.log_offset)
        checkpoint_s = time.monotonic() + CHECKPOINT_S
        first, count = left.first, self._at.written
        for rows in self._read(consumer, self._partition, left, self._rows_at_once()):
            if self._stop.is_set():
                return
            count += self._decide(rows, standing, delivery)
            self._on_clicks(rows.next_offset - first)
            self._pace.spend(len(rows.columns))
            first = rows.next_offset
            while not self._pace.wait(CHECKPOINT_S) or time.monotonic() > checkpoint_s:
                self._stored(consumer, delivery, first, rows.log_offset, count)
                self._tell("running")
                if self._is_cancelled() or self._stop.is_set():
                    return
                checkpoint_s = time.monotonic() + CHECKPOINT_S
        self._stored(consumer, delivery, self._span.end, self._span.log_end, count)
        self._on_clicks(self._span.end - first)

    def _stored(
        self, consumer: Consumer, delivery: Delivery, next_offset: int, log_offset: int, count: int
    ) -> None:  # fmt: skip
        """Wait until what was decided so far is stored: progress may tell of it."""
        flush(delivery, self._topic)
        end = held_in(consumer, self._topic, self._partition).end
        self._at = replace(
            self._at, next_offset=next_offset, log_offset=log_offset, output_offset=end, written=count
        )  # fmt: skip

    def _rows_at_once(self) -> int:
        # However slow, a round is about as long as a checkpoint, so that the rate is kept evenly.
        fewest = max(1, min(_FEWEST_ROWS, self._pace.clicks_per_s * CHECKPOINT_S))
        return int(min(MOST_ROWS, max(fewest, self._pace.clicks_per_s * _ROUND_S)))

    def _read_standing(self, consumer: Consumer, first: int) -> Standing | None:
        """None where it changes nothing: everything is written, beside what stands."""
        job = self._replay.job
        if not (job.publish or job.only_changed):
            return None
        earlier = earlier_of(self._replay, self._log.replays(), self._partition)
        return read_standing(consumer, self._logs, self._partition, self._span, earlier, first)

    def _decide(self, rows: Rows, standing: Standing | None, delivery: Delivery) -> int:
        """Queue what is to be written of the rows; returns how many."""
        if self._failure is not None:
            raise Unavailable(f"{self._failure} Run the replay again: it goes on where it was.")
        chosen = rows.where(selected(rows, self._replay.job.selection))
        if not len(chosen.columns):
            return 0
        rescored = self._rescorer.rescore(chosen)
        if standing is not None and self._replay.job.only_changed:
            changed = changes(chosen, rescored, standing, self._replay.job.direction)
            chosen, rescored = chosen.where(changed), rescored.where(changed)
        by = standing.run_of(chosen.offsets) if standing and self._replay.job.publish else [None] * len(chosen.columns)
        made = decisions_of(chosen, rescored, self._replay, by, now_ms())
        return write(delivery, self._topic, self._partition, made)

    def _tell(self, state: ReplayState) -> ReplayState:
        """Write progress; its rate is that since the record before."""
        now_s, done = time.monotonic(), self._at.next_offset
        before_s, before = self._told or (now_s, done)
        self._told = now_s, done
        rate = round((done - before) / max(now_s - before_s, 1e-3), 1)
        self._at = replace(
            self._at, state=state, clicks_per_s=rate, by=self._where.by, at_ms=now_ms(), problem=None,
            preparation=None, agreement=None if state == "running" else self._agreement,
        )  # fmt: skip
        self._log.tell(self._at)
        return state

    def _is_cancelled(self) -> bool:
        """Whether somebody cancelled the run; takes over its rate limit, or its part of that."""
        replay = self._log.replay(self._replay.revision) or self._replay
        self._pace.clicks_per_s = replay.clicks_per_s / self._at_work()
        return replay.cancelled

    def _at_work(self) -> int:
        """How many partitions of the run share its limit: this one, and those that others work on."""
        progress, at_ms = self._log.progress(self._replay.revision), now_ms()
        return 1 + sum(is_worked_on(one, at_ms) for p, one in progress.items() if p != self._partition)

    def _fail(self, reason: str) -> None:
        self._failure = reason


def changes(rows: Rows, rescored: Rescored, standing: Standing, direction: Direction) -> npt.NDArray[np.bool_]:
    """Rows (n,) whose verdict is another than the one in force, in the direction asked for."""
    logged = np.asarray(pc.equal(rows.columns["verdict"], "invalid"))
    was = standing.invalid(rows.offsets, logged)
    changed: npt.NDArray[np.bool_] = rescored.invalid != was
    if direction != "both":
        changed &= rescored.invalid == (direction == "invalidate")
    return changed
