"""The thread that owns the librdkafka consumer of `clicks`: every call on the consumer happens here.

It hands what a poll fetched to the event loop, commits what the loop says is finished, and takes part in rebalances:

    assigned   flush own records, read the outputs' tails, open lanes there, fetch from there
    revoked    drain (with a deadline), commit, forget       the group waits for this
    lost       forget: the session has expired, another worker may own the partition already
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from contracts.errors import Misconfigured, Unavailable
from contracts.topics import MAX_IN_FLIGHT_RECORDS
from streams.lane import StartPoint
from streams.lanes import InFlight
from streams.records import KafkaMessage

POLL_RECORDS = 2_000
# Fetching pauses above this many records under way; one more poll may still come.
HIGH_WATER_RECORDS = MAX_IN_FLIGHT_RECORDS // 2
BEHIND_RECORDS = 256
NAP_S = 0.001

CONSUMER_CONFIG: dict[str, Any] = {
    "enable.auto.commit": False,
    "auto.offset.reset": "error",
    "fetch.wait.max.ms": 100,
    "fetch.queue.backoff.ms": 10,
    "queued.min.messages": 20_000,
    "queued.max.messages.kbytes": 16_384,
    "partition.assignment.strategy": "cooperative-sticky",
    "heartbeat.interval.ms": 1_000,
}

log = structlog.get_logger()
T = TypeVar("T")


class LoopSide(Protocol):
    """What the thread asks of the event loop; every method is called there."""

    async def assigned(self, starts: Iterable[StartPoint]) -> None:
        """Begin newly assigned partitions."""
        ...

    async def revoking(self, partitions: Iterable[int]) -> Mapping[int, int]:
        """Let partitions drain; return the offsets to commit."""
        ...

    async def forgotten(self, partitions: Iterable[int]) -> None:
        """The partitions are not ours any more."""
        ...

    def fetched(self, by_partition: Mapping[int, Sequence[KafkaMessage]], polled_at_s: float) -> None:
        """Take in what a poll fetched."""
        ...


class PollThread(threading.Thread):
    """Polls until told to stop, then leaves the group. An exception is given to `on_error`, and ends the thread."""

    def __init__(
        self,
        kafka: dict[str, Any],
        topic: str,
        group: str,
        session_s: float,
        loop: asyncio.AbstractEventLoop,
        loop_side: LoopSide,
        in_flight: InFlight,
        find_start: Callable[[int], StartPoint],
        flush: Callable[[float], int],
        on_error: Callable[[BaseException], object],
    ) -> None:
        super().__init__(name="poll", daemon=True)
        session = {"session.timeout.ms": round(session_s * 1000)}
        self._config = {**kafka, **CONSUMER_CONFIG, **session, "group.id": group}
        self._topic = topic
        self._loop = loop
        self._loop_side = loop_side
        self._in_flight = in_flight
        self._find_start = find_start
        self._flush = flush
        self._on_error = on_error
        self._stopping = threading.Event()
        self._commits: deque[Mapping[int, int]] = deque()
        self._paused: list[TopicPartition] = []
        self.lag: dict[int, int] = {}

    def stop(self) -> None:
        """Ask the thread to drain, commit, leave the group and end."""
        self._stopping.set()

    def commit_soon(self, offsets: Mapping[int, int]) -> None:
        """Commit these next offsets by partition at the next poll."""
        if offsets:
            self._commits.append(offsets)

    def run(self) -> None:
        """Body of the thread."""
        try:
            consumer = Consumer(self._config)
            try:
                consumer.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
                while not self._stopping.is_set():
                    self._turn(consumer)
            finally:
                consumer.close()
        except BaseException as error:  # noqa: BLE001 - handed to the worker, which ends
            self._on_error(error)

    # -- polling

    def _turn(self, consumer: Consumer) -> None:
        while self._commits:
            consumer.commit(offsets=self._positions(self._commits.popleft()), asynchronous=True)
        self._hold_back(consumer)
        first = consumer.poll(0.1)  # returns at the first record; consume(n, t) would wait the full t
        if first is None:
            return
        if self._in_flight.undecided > BEHIND_RECORDS:
            time.sleep(NAP_S)  # behind anyway: let more arrive, a hand-over costs as much for one as for many
        messages = [first, *consumer.consume(POLL_RECORDS, 0)]
        self._hand_over(consumer, cast(list[KafkaMessage], messages))

    def _hand_over(self, consumer: Consumer, messages: list[KafkaMessage]) -> None:
        by_partition: dict[int, list[KafkaMessage]] = {}
        for message in messages:
            error = message.error()
            if error is None:
                by_partition.setdefault(message.partition(), []).append(message)
            elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
                raise Misconfigured(
                    f"{self._topic}[{message.partition()}] holds no record at the position reached: {error}. Clicks "
                    "have expired before they were decided. Raise the retention of `clicks`, then start again: the "
                    "start says what is missing."
                )
            elif error.fatal():
                raise Unavailable(f"The consumer of {self._topic} cannot go on: {error}.")
            else:
                log.warning("kafka", error=str(error))
        if by_partition:
            self._in_flight.handed += sum(map(len, by_partition.values()))
            self._loop.call_soon_threadsafe(self._loop_side.fetched, by_partition, time.monotonic())
            self._measure_lag(consumer, by_partition)

    def _hold_back(self, consumer: Consumer) -> None:
        """Back-pressure: wait a moment, then pause and go on polling, so that the group keeps this member."""
        deadline_s = time.monotonic() + 0.25
        while self._full and time.monotonic() < deadline_s and not self._stopping.is_set():
            time.sleep(0.002)
        if self._full and not self._paused:
            self._paused = consumer.assignment()
            consumer.pause(self._paused)
        elif self._paused and not self._full:
            ours = {partition.partition for partition in consumer.assignment()}
            consumer.resume([partition for partition in self._paused if partition.partition in ours])
            self._paused = []

    @property
    def _full(self) -> bool:
        return self._in_flight.count > HIGH_WATER_RECORDS

    def _measure_lag(self, consumer: Consumer, by_partition: Mapping[int, Sequence[KafkaMessage]]) -> None:
        for partition, messages in by_partition.items():
            _, high = consumer.get_watermark_offsets(TopicPartition(self._topic, partition), cached=True)
            self.lag[partition] = max(0, high - messages[-1].offset() - 1)

    # -- rebalances: librdkafka calls these from poll() and close()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._stopping.is_set():
            return
        starts = self._when_available(lambda: self._starts([partition.partition for partition in partitions]))
        if starts is None:
            return
        self._in_loop(self._loop_side.assigned(starts))
        consumer.incremental_assign([TopicPartition(self._topic, start.partition, start.offset) for start in starts])
        log.info("assigned", partitions={start.partition: start.offset for start in starts})

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        numbers = [partition.partition for partition in partitions]
        offsets = self._in_loop(self._loop_side.revoking(numbers))
        try:
            while self._commits:
                consumer.commit(offsets=self._positions(self._commits.popleft()), asynchronous=False)
            if offsets:
                consumer.commit(offsets=self._positions(offsets), asynchronous=False)
        except KafkaException as error:
            log.warning("commit on revocation failed; the outputs' tails say where to go on", error=str(error))
        self._forget(consumer, partitions)
        log.info("revoked", partitions=numbers)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(consumer, partitions)
        log.warning("lost", partitions=[partition.partition for partition in partitions])

    def _forget(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._in_loop(self._loop_side.forgotten([partition.partition for partition in partitions]))
        for partition in partitions:
            self.lag.pop(partition.partition, None)
        consumer.incremental_unassign(partitions)

    def _starts(self, partitions: Iterable[int]) -> list[StartPoint]:
        # What this process produced must stand in the outputs before their tails are read.
        if left := self._flush(10.0):
            raise Unavailable(f"{left} records wait for delivery.")
        return [self._find_start(partition) for partition in partitions]

    def _when_available(self, attempt: Callable[[], T]) -> T | None:
        while not self._stopping.is_set():
            try:
                return attempt()
            except Unavailable as error:
                log.warning("assignment waits", why=str(error))
                self._stopping.wait(0.5)
        return None

    def _in_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def _positions(self, offsets: Mapping[int, int]) -> list[TopicPartition]:
        return [TopicPartition(self._topic, partition, offset) for partition, offset in offsets.items()]
