"""Makes a lane and the feature store agree again: on assignment, after a refusal, after a loss of state.

    store knows nothing, or less     what it lacks is read again from `clicks` and counted, not decided again
    store knows up to the lane       go on
    store knows more                 those clicks were counted before: their stored answers are used

A click's features so depend neither on crashes nor on who counted it.
"""

import asyncio
from collections.abc import Callable

import structlog

from contracts.errors import Misconfigured, Unavailable
from contracts.ports import CountCall, FeatureStore, Recall, RefusedCount
from streams.history import ClickHistory
from streams.lane import Lane
from streams.metrics import Metrics
from streams.records import decode_clicks

HEAL_RECORDS = 256
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0

log = structlog.get_logger()


class Recovery:
    """Recovers lanes, one task each, for as long as it takes."""

    def __init__(self, store: FeatureStore, history: ClickHistory, metrics: Metrics) -> None:
        self._store = store
        self._history = history
        self._metrics = metrics

    async def recover(self, lane: Lane, wake: Callable[[], None]) -> None:
        """Return when the lane is ready, or ends. Raises Misconfigured if the store and `clicks` contradict.

        `wake` is called when the lane may have records to give up that are decided cold.
        """
        lane.begin_recovery()
        self._metrics.recoveries.inc()
        pause_s = _FIRST_PAUSE_S
        while not lane.ending:
            try:
                if await self._step(lane, wake):
                    return
                pause_s = _FIRST_PAUSE_S
            except Unavailable as error:
                log.warning("recovery waits", partition=lane.partition, why=str(error), pause_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _step(self, lane: Lane, wake: Callable[[], None]) -> bool:
        recall = await self._store.recall(lane.partition)
        if recall.watermark is not None and recall.watermark >= lane.next_offset:
            await self._check_within_log(lane, recall.watermark)
        gap = lane.gap(recall.watermark)
        if gap is None:
            lane.resume(recall)
            return True
        first = await self._history.first_offset(lane.partition, *gap)
        if first is None and recall.watermark is None and gap[1] < 0:
            lane.resume(recall)
            return True
        await self._heal(lane, recall, first, gap[1], wake)
        return False

    async def _heal(self, lane: Lane, recall: Recall, first: int | None, last: int, wake: Callable[[], None]) -> None:
        expected = recall.watermark
        clicks = 0
        log.warning("state lost: counting again", partition=lane.partition, watermark=expected, first=first, last=last)
        if first is not None:
            async for records in self._history.read(lane.partition, first, last, HEAL_RECORDS):
                lane.heal_goes_on()
                wake()
                counted, offsets = decode_clicks(records).counted()
                watermark = records[-1].offset()
                call = CountCall(lane.partition, expected, watermark, lane.finished_offset, counted, offsets)
                if lane.ending or isinstance(await self._store.count(call), RefusedCount):
                    return
                expected = watermark
                clicks += len(counted)
                self._metrics.healed.inc(len(counted))
        if expected is None or expected < last:
            # The rest of the range holds no record any more: the watermark passes over it.
            await self._store.count(CountCall(lane.partition, expected, last, lane.finished_offset, [], []))
        log.info("counted again", partition=lane.partition, clicks=clicks, through=last)

    async def _check_within_log(self, lane: Lane, watermark: int) -> None:
        _, end = await self._history.bounds(lane.partition)
        if watermark >= end:
            raise Misconfigured(
                f"Redis has counted clicks[{lane.partition}] up to offset {watermark}, but it ends at {end - 1}. "
                "Either `clicks` was recreated or this Redis belongs to another deployment. Point SLIDR_REDIS_URL at "
                "the right Redis, or give this deployment an empty one: its counters are then made again from `clicks`."
            )
