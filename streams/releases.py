"""Follows `model-releases` and keeps the release in force loaded.

A release that fails to load leaves the one before serving, and is reported as a problem.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgspec
import structlog
from confluent_kafka import Consumer, KafkaError, TopicPartition

from contracts.errors import SlidrError, Unavailable
from contracts.events import ReleaseEvent
from streams.judge import Judge
from streams.metrics import Metrics
from streams.records import KafkaMessage
from streams.release_log import InForce, fold

log = structlog.get_logger()
_decode = msgspec.json.Decoder(ReleaseEvent).decode
_START_S = 15.0


class Releases:
    """The judge in use. `load(version)` is called in a thread; it must return a warmed-up judge or raise SlidrError."""

    def __init__(
        self, kafka: dict[str, Any], topic: str, default: str, load: Callable[[str], Judge], metrics: Metrics
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._load = load
        self._metrics = metrics
        self._state = InForce(default)
        self._judge: Judge | None = None
        self.problem: str | None = None
        self.swapped: Callable[[], None] = lambda: None

    @property
    def judge(self) -> Judge:
        """The judge in use; between takes it may be another one."""
        assert self._judge is not None, "start() loads the first release"
        return self._judge

    async def start(self) -> None:
        """Read the log to its end and load what is in force. Raises what loading raises: there is nothing to serve."""
        self._consumer = await asyncio.to_thread(self._open)
        deadline = asyncio.get_running_loop().time() + _START_S
        while not await self._read(0.1):
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable(f"The topic {self._topic} could not be read within {_START_S:.0f} s.")
        self._use(await asyncio.to_thread(self._load, self._state.active))

    async def follow(self) -> None:
        """Swap releases as events arrive; runs until cancelled."""
        while True:
            before = self._state.active
            await self._read(0.5)
            if self._state.active != before:
                await self._swap(self._state.active)

    async def close(self) -> None:
        """Give back the connection."""
        await asyncio.to_thread(self._consumer.close)

    async def _swap(self, version: str) -> None:
        try:
            judge = await asyncio.to_thread(self._load, version)
        except SlidrError as error:
            self.problem = f"Release {version} could not be loaded, {self.judge.version} goes on serving: {error}"
            self._metrics.load_failures.inc()
            log.error("release not loaded", version=version, serving=self.judge.version, why=str(error))
            return
        self._use(judge)
        self._metrics.swaps.inc()
        self.swapped()

    def _use(self, judge: Judge) -> None:
        self._judge = judge
        self.problem = None
        self._metrics.release.clear()
        self._metrics.release.labels(judge.version, judge.provider).set(1)
        log.info("release in use", version=judge.version, provider=judge.provider)

    def _open(self) -> Consumer:
        consumer = Consumer(
            {**self._kafka, "group.id": "slidr-releases", "enable.auto.commit": False, "enable.partition.eof": True}
        )
        consumer.assign([TopicPartition(self._topic, 0, 0)])
        return consumer

    async def _read(self, timeout_s: float) -> bool:
        """Take in what arrives within `timeout_s`; whether the end of the log was reached."""
        messages = cast(list[KafkaMessage], await asyncio.to_thread(self._consumer.consume, 1_000, timeout_s))
        self._state = fold(list(filter(None, map(_event, messages))), self._state)
        errors = [message.error().code() for message in messages if message.error() is not None]
        return KafkaError._PARTITION_EOF in errors


def _event(message: KafkaMessage) -> tuple[int, ReleaseEvent] | None:
    if message.error() is not None:
        return None
    try:
        return message.offset(), _decode(message.value())
    except msgspec.DecodeError as error:
        log.error("release event is void: it cannot be read", offset=message.offset(), why=str(error))
        return None
