"""The scoring task: everything that has arrived becomes a take, a take becomes decisions, in take order.

    backlogs ──► take (<= 1,024 records of all ready lanes, chunks of <= 256)
                   │ one call per chunk, pipelined, strictly in order per lane
                   ▼
             feature store ──► answers ──► one matrix, one model run ──► outputs ──► delivered ──► finished, in order
                                                                           │
                                       the shadow release, if there is one └──► into the rows of the feature log

Several takes are in flight at once: while one waits for the store, the next is decoded. A chunk that the store
refuses, or does not answer, goes back to its lane, and the lane recovers; the others go on.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import numpy as np

from contracts.errors import Unavailable
from contracts.events import Decision
from contracts.feature_log import Flag
from contracts.features import FEATURE_IDS
from contracts.ports import CountCall, Counted, FeatureStore, FloatMatrix, RefusedCount
from features.answers import UNSEEN_ANSWER
from features.entities import EntityHasher
from features.vector import feature_matrix
from streams.feature_rows import Rows, ShadowRows
from streams.judge import Judges
from streams.lane import Chunk
from streams.lanes import Lanes
from streams.metrics import Metrics
from streams.outputs import Outputs, decisions_of
from streams.records import decode_clicks
from streams.shadow import ShadowScoring

CHUNK_RECORDS = 256
TAKE_RECORDS = 1_024
TAKES_IN_STORE = 2


class Take(NamedTuple):
    """Chunks that are decided together, each with the pending answer of the feature store (None: nothing to ask)."""

    chunks: list[Chunk]
    pending: list[Awaitable[Counted | RefusedCount | bytes] | None]
    asked_at_s: float


class Scoring:
    """Turns backlogs into decisions. Two tasks of the event loop run its two halves."""

    def __init__(
        self,
        lanes: Lanes,
        store: FeatureStore,
        hasher: EntityHasher,
        outputs: Outputs,
        judges: Callable[[], Judges],
        shadow: ShadowScoring,
        metrics: Metrics,
        *,
        decide_while_cold: bool = False,
    ) -> None:
        self._lanes = lanes
        self._store = store
        self._hasher = hasher
        self._outputs = outputs
        self._judges = judges
        self._shadow = shadow
        self._metrics = metrics
        self._decide_while_cold = decide_while_cold
        self._arrived = asyncio.Event()
        self._started: asyncio.Queue[Take] = asyncio.Queue()
        self._room = asyncio.Semaphore(TAKES_IN_STORE)

    def wake(self) -> None:
        """Something arrived in a backlog, or a lane became ready."""
        self._arrived.set()

    # -- first half: records to calls

    async def start_takes(self) -> None:
        """First half: records to calls. Runs until cancelled; an exception ends the worker."""
        while True:
            await self._room.acquire()
            while not (chunks := self._take()):
                self._arrived.clear()
                await self._arrived.wait()
            self._started.put_nowait(Take(chunks, [self._ask(chunk) for chunk in chunks], time.monotonic()))
            await asyncio.sleep(0)

    def _take(self) -> list[Chunk]:
        chunks: list[Chunk] = []
        left = TAKE_RECORDS
        takeable = [lane for lane in self._lanes.active.values() if lane.takeable(self._decide_while_cold)]
        while takeable and left > 0:
            for lane in takeable:
                if left > 0:
                    chunks.append(lane.take(min(CHUNK_RECORDS, left)))
                    left -= len(chunks[-1])
            takeable = [lane for lane in takeable if lane.takeable(self._decide_while_cold)]
        return chunks

    def _ask(self, chunk: Chunk) -> Awaitable[Counted | RefusedCount | bytes] | None:
        chunk.decoded = decode_clicks(chunk.records)
        clicks, offsets = chunk.decoded.counted()
        lane = chunk.lane
        if chunk.cold:
            return self._store.peek(clicks)
        if chunk.known:
            gone = [click for click, offset in zip(clicks, offsets, strict=True) if offset not in lane.known]
            return self._store.peek(gone) if gone else None
        return self._store.count(
            CountCall(
                lane.partition, chunk.expected_watermark, chunk.last_offset, lane.finished_offset, clicks, offsets
            )
        )

    # -- second half: answers to decisions

    async def complete_takes(self) -> None:
        """Second half: answers to decisions, in take order. Runs until cancelled, likewise."""
        while True:
            take = await self._started.get()
            answered = []
            for chunk, pending in zip(take.chunks, take.pending, strict=True):
                if await self._settle(chunk, pending):
                    answered.append(chunk)
            self._room.release()
            self._metrics.store.observe(time.monotonic() - take.asked_at_s)
            self._decide(answered)
            self._metrics.takes.inc()

    async def _settle(self, chunk: Chunk, pending: Awaitable[Counted | RefusedCount | bytes] | None) -> bool:
        lane = chunk.lane
        try:
            answer = None if pending is None else await pending
        except Unavailable:
            self._metrics.unavailable.inc()
            answer = RefusedCount(None)
        if isinstance(answer, RefusedCount) or lane.must_wait(chunk):
            self._lanes.given_up(lane.refused(chunk))
            self._lanes.recover(lane)
            return False
        counted = answer.answers if isinstance(answer, Counted) else answer or b""
        chunk.answers = _answers_of(chunk, counted, self._store.answer_bytes)
        lane.answered(chunk)
        return True

    def _decide(self, answered: list[Chunk]) -> None:
        # While a later chunk was waited for, the lane of an earlier one may have been lost: it is not written.
        for chunk in answered:
            chunk.deliveries_left = 0
        chunks = [chunk for chunk in answered if not chunk.lane.closed]
        clicks = [click for chunk in chunks for click in chunk.decoded.clicks]
        if clicks:
            timestamps_ms = [timestamp for chunk in chunks for timestamp in chunk.decoded.timestamps_ms]
            features = feature_matrix(b"".join(chunk.answers for chunk in chunks), clicks)
        else:
            timestamps_ms, features = [], np.empty((0, len(FEATURE_IDS)), np.float32)
        judges = self._judges()
        judge = judges.active
        started_s = time.monotonic()
        judged = judge.judge(clicks, timestamps_ms, features) if clicks else None
        self._metrics.model.observe(time.monotonic() - started_s)
        decided_at_ms = time.time_ns() // 1_000_000
        parts = []
        start = 0
        for chunk in chunks:
            part = slice(start, start + len(chunk.decoded.clicks))
            decisions = decisions_of(chunk, judged, part, judge.version, decided_at_ms) if judged else []
            chunk.lane.decided_by(judge.version, chunk)
            self._outputs.write_decisions(chunk, decisions)
            self._metrics.decided(chunk, decisions, time.monotonic(), decided_at_ms)
            parts.append((chunk, decisions, part))
            start = part.stop
        beside = self._shadow.score(judges, judged, clicks, timestamps_ms, features) if judges.shadow else None
        for chunk, decisions, part in parts:
            self._log(chunk, decisions, features[part], beside and beside.part(part))
        for lane in {chunk.lane for chunk in answered}:
            self._lanes.finish(lane)
        self._lanes.decided(answered)

    def _log(self, chunk: Chunk, decisions: list[Decision], features: FloatMatrix, shadow: ShadowRows | None) -> None:
        self._outputs.park(chunk)
        if decisions:
            hashes = [self._hasher.account(click) for click in chunk.decoded.clicks]
            self._outputs.write_rows(chunk, Rows(decisions, features, hashes, chunk.decoded.flags, shadow))


def _answers_of(chunk: Chunk, fetched: bytes, size: int) -> bytes:
    """Answers of all the chunk's clicks in order; sets the flags of those that are special.

    Fetched answers stand for the counted clicks in order (new, cold), or for those whose stored answer is gone.
    """
    flags, offsets, known = chunk.decoded.flags, chunk.decoded.offsets, chunk.lane.known
    if not chunk.known and not chunk.cold and not any(flags):
        return fetched
    answers = []
    at = 0
    for i, offset in enumerate(offsets):
        if flags[i]:
            answers.append(UNSEEN_ANSWER)
        elif chunk.known and offset in known:
            answers.append(known[offset])
        else:
            answers.append(fetched[at : at + size])
            at += size
            if chunk.cold or chunk.known:
                flags[i] |= Flag.COLD if chunk.cold else Flag.ANSWER_GONE
    return b"".join(answers)
