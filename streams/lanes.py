"""All lanes of a worker: opened on assignment, fed by the transport, recovered, drained, closed. Event loop only."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

from contracts.errors import Unavailable
from contracts.ports import FeatureStore
from streams.dead_letters import ParkedShare
from streams.lane import Chunk, Lane, LaneState, Piece, StartPoint
from streams.records import RawRecord
from streams.recovery import Recovery

DRAIN_S = 5.0
WATCH_S = 1.0


class InFlight:
    """Records handed over by the poll thread less those decided, or finished: back-pressure without a lock.

    Each side writes its own integers and reads the other's.
    """

    def __init__(self) -> None:
        self.handed = 0
        self.decided = 0
        self.done = 0

    @property
    def undecided(self) -> int:
        """Records that wait for their decision."""
        return self.handed - self.decided

    @property
    def count(self) -> int:
        """Records under way."""
        return self.handed - self.done


class Lanes:
    """The lanes by partition, and what the transport and the scoring task ask of them."""

    def __init__(
        self,
        store: FeatureStore,
        recovery: Recovery,
        in_flight: InFlight,
        dead_letter_limit_ratio: float,
        fail: Callable[[BaseException], None],
    ) -> None:
        self.active: dict[int, Lane] = {}
        self.wake: Callable[[], None] = lambda: None
        self._store = store
        self._recovery = recovery
        self._in_flight = in_flight
        self._limit_ratio = dead_letter_limit_ratio
        self._committed: dict[int, int] = {}
        self._recoveries: set[asyncio.Task[None]] = set()
        self._fail = fail

    # -- asked by the transport

    def open(self, starts: Iterable[StartPoint]) -> None:
        """Begin lanes for newly assigned partitions."""
        for start in starts:
            lane = Lane(start, ParkedShare(self._limit_ratio))
            self.active[start.partition] = lane
            self._committed.pop(start.partition, None)
            self.recover(lane)

    def receive(self, lane: Lane, records: Sequence[RawRecord], polled_at_s: float) -> None:
        """Take in what a poll fetched; records of an assignment that ends are given up."""
        if lane.ending:
            self.given_up(len(records))
        else:
            lane.receive(Piece(records, polled_at_s))
            self.wake()

    async def drain(self, partitions: Iterable[int]) -> dict[int, int]:
        """Let what is under way be delivered, within a deadline; return the offsets to commit."""
        lanes = [self.active[p] for p in partitions if p in self.active]
        for lane in lanes:
            self.given_up(lane.drain())
        deadline_s = time.monotonic() + DRAIN_S
        while any(not lane.idle for lane in lanes) and time.monotonic() < deadline_s:
            await asyncio.sleep(0.002)
        return {lane.partition: lane.finished_offset + 1 for lane in lanes}

    def close(self, partitions: Iterable[int]) -> None:
        """Forget lanes: nothing more is written for them."""
        for partition in partitions:
            if lane := self.active.pop(partition, None):
                self.given_up(lane.close())

    def committable(self) -> dict[int, int]:
        """Next offset to process per partition, where it has moved since the last call."""
        moved = {
            p: lane.finished_offset + 1
            for p, lane in self.active.items()
            if self._committed.get(p, -1) < lane.finished_offset + 1 and not lane.ending
        }
        self._committed.update(moved)
        return moved

    # -- asked by the scoring task

    def given_up(self, records: int) -> None:
        """Count records as done that another worker will decide."""
        self._in_flight.decided += records
        self._in_flight.done += records

    def decided(self, chunks: Iterable[Chunk]) -> None:
        """Count the chunks' records as decided."""
        self._in_flight.decided += sum(map(len, chunks))

    def delivered(self, chunk: Chunk) -> None:
        """One part of the chunk is delivered: finish what can be finished."""
        chunk.deliveries_left -= 1
        self.finish(chunk.lane)

    def finish(self, lane: Lane) -> None:
        """Finish delivered chunks of the lane, in order."""
        self._in_flight.done += lane.finish()

    def recover(self, lane: Lane) -> None:
        """Start a recovery of the lane if it needs one and none is running."""
        if not lane.must_recover:
            return
        task = asyncio.get_running_loop().create_task(self._recover(lane))
        self._recoveries.add(task)
        task.add_done_callback(self._recoveries.discard)

    async def _recover(self, lane: Lane) -> None:
        try:
            await self._recovery.recover(lane, self.wake)
        except Exception as error:  # noqa: BLE001 - whatever it is ends the worker
            self._fail(error)
            return
        self.wake()
        self.recover(lane)

    # -- by itself

    async def watch(self) -> None:
        """Notice lost state also where no click arrives: compare watermarks, once a second."""
        while True:
            await asyncio.sleep(WATCH_S)
            lanes = [lane for lane in self.active.values() if lane.state is LaneState.READY]
            expected = [lane.expected_watermark for lane in lanes]
            try:
                found = await self._store.watermarks([lane.partition for lane in lanes]) if lanes else []
            except Unavailable:
                continue  # the next click's call will say so, wait and recover
            for lane, before, watermark in zip(lanes, expected, found, strict=True):
                if before == lane.expected_watermark and lane.lost_state(watermark):
                    lane.state = LaneState.RECOVERING
                    self.recover(lane)
