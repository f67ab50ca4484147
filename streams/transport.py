"""A Faust transport on librdkafka that hands its agent one event: an inbox of whatever is polled from then on.

Faust costs 70 to 100 µs an event whatever its settings, and several turns of the event loop: at a click a poll, as
much as deciding the click. So the agent takes each poll, of all partitions, out of the inbox. Faust's own commit
bookkeeping walks every offset and acknowledges at the wrong moments: it is not used. Positions come from the outputs'
tails and lanes keep what is finished; the group's commit is only a hint (docs/decisions/0001).
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import faust
from faust.transport import base
from faust.transport.consumer import Consumer
from faust.transport.producer import Producer
from faust.types import TP, ConsumerMessage

from streams.lane import Lane, StartPoint
from streams.lanes import Lanes
from streams.poll_thread import PollThread
from streams.records import KafkaMessage


class Part(NamedTuple):
    """Records of one lane from one poll, and when that poll returned (monotonic seconds).

    The lane is looked up at hand-over, before a later rebalance can put another epoch in its place.
    """

    lane: Lane
    records: Sequence[KafkaMessage]
    polled_at_s: float


class Inbox:
    """Value of the event: everything that is fetched, in order. Event loop only."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._any = asyncio.Event()

    def put(self, parts: Sequence[Part]) -> None:
        """Add what a poll fetched."""
        self._parts += parts
        self._any.set()

    async def take(self) -> list[Part]:
        """Wait until there is something; take all of it."""
        await self._any.wait()
        self._any.clear()
        parts, self._parts = self._parts, []
        return parts


class BatchConsumer(Consumer):
    """Faust's view of the poll thread: assignments go to Faust and to the lanes, fetched records to the agent."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        transport = cast(BatchTransport, self.transport)
        self._lanes = transport.lanes
        self._start_polling = transport.start_polling
        self._inbox = Inbox()
        self._began: asyncio.Future[ConsumerMessage] = asyncio.get_running_loop().create_future()
        self._assigned: set[TP] = set()
        self._thread: PollThread | None = None
        self._topic = ""

    # -- called in the event loop for the poll thread

    async def assigned(self, starts: Iterable[StartPoint]) -> None:
        """Open lanes; tell Faust, the first time through its whole chain (flow control, recovery, fetcher)."""
        starts = list(starts)
        first = not self._assigned
        self._assigned |= {TP(self._topic, start.partition) for start in starts}
        if first and self.app.consumer_generation_id == 0:
            self.app.consumer_generation_id = 1
            self.app.on_rebalance_start()
            await self.on_partitions_assigned(set(self._assigned), 1)
        else:
            await self._tell_faust()
        self._lanes.open(starts)

    async def revoking(self, partitions: Iterable[int]) -> Mapping[int, int]:
        """Drain lanes."""
        return await self._lanes.drain(partitions)

    async def forgotten(self, partitions: Iterable[int]) -> None:
        """Close lanes."""
        partitions = list(partitions)
        self._lanes.close(partitions)
        self._assigned -= {TP(self._topic, partition) for partition in partitions}
        if not self.should_stop:
            await self._tell_faust()

    async def _tell_faust(self) -> None:
        # Not `on_partitions_assigned`: resuming Faust's flow control clears the queues of partitions that are kept.
        cast(faust.App, self.app)._update_assignment(set(self._assigned))
        await self.app.topics.on_partitions_assigned(set(self._assigned))

    def fetched(self, by_partition: Mapping[int, Sequence[KafkaMessage]], polled_at_s: float) -> None:
        """Put it into the inbox; what belongs to no assigned partition is given up."""
        parts = []
        for partition, records in by_partition.items():
            if lane := self._lanes.active.get(partition):
                parts.append(Part(lane, records, polled_at_s))
            else:
                self._lanes.given_up(len(records))
        if parts:
            self._inbox.put(parts)
            if not self._began.done():
                self._began.set_result(self._event(parts[0]))

    def _event(self, part: Part) -> ConsumerMessage:
        inbox: Any = self._inbox  # Faust hands any value on; its types say bytes
        tp = TP(self._topic, part.lane.partition)
        generation = self.app.consumer_generation_id
        offset = part.records[-1].offset()
        return ConsumerMessage(*tp, offset, 0.0, 0, [], None, inbox, None, 0, 0, tp, generation_id=generation)

    # -- called by Faust

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Start the poll thread on the one topic that batch agents consume."""
        if self._thread is None:
            (self._topic,) = topics
            self._thread = self._start_polling(self)

    async def _drain_messages(self, fetcher: Any) -> None:
        await self.callback(await self._began)
        await fetcher.wait_until_stopped()

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Pass on what the lanes have finished."""
        offsets = self._lanes.committable()
        if self._thread is not None:
            self._thread.commit_soon(offsets)
        return bool(offsets)

    def ack(self, message: Any) -> bool:
        """Nothing: a record is finished when its outputs are delivered, and lanes know that."""
        message.acked = True
        return True

    def track_message(self, message: Any) -> None:
        """Nothing to track, for the same reason."""

    async def on_stop(self) -> None:
        """Drain, commit, leave the group."""
        if self._thread is not None:
            self._thread.stop()
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join, 30)

    def assignment(self) -> set[TP]:
        """Assigned partitions."""
        return set(self._assigned)

    async def perform_seek(self) -> None:
        """Nothing: the poll thread assigns with positions."""

    def pause_partitions(self, tps: Iterable[TP]) -> None:
        """Nothing: back-pressure is the poll thread's."""

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Nothing, likewise."""

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing, likewise."""

    def on_buffer_drop(self, tp: TP) -> None:
        """Nothing, likewise."""

    def highwater(self, tp: TP) -> int:
        """Not known to Faust."""
        return 0

    def topic_partitions(self, topic: str) -> int | None:
        """Not known to Faust."""
        return None

    def close(self) -> None:
        """Closed by its thread."""

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    def _unsupported(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            "The batch transport serves agents on one topic: no tables, changelogs, seeks or topic creation."
        )

    _commit = _seek = _getmany = seek_to_committed = seek_wait = _unsupported
    earliest_offsets = highwaters = position = create_topic = key_partition = _to_message = _unsupported


class BatchTransport(base.Transport):
    """`start_polling(consumer)` makes and starts the poll thread for the consumer's side of the event loop."""

    Consumer = BatchConsumer
    Producer = Producer
    driver_version = "librdkafka"

    def __init__(self, app: Any, lanes: Lanes, start_polling: Callable[[BatchConsumer], PollThread]) -> None:
        super().__init__([], app, asyncio.get_running_loop())
        self.lanes = lanes
        self.start_polling = start_polling
