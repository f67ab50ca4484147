"""The worker: a Faust app whose agent only passes on what was fetched, and the tasks around it.

    poll thread ──► Faust agent ──► lanes ──► scoring task ──► delivery thread ──► lanes (finished) ──► commit
                                     │  ▲
                                     ▼  │ recovery

Whatever fails ends the worker with its reason; a supervisor starts it again, and it goes on where its outputs end.
"""

import asyncio
import gc
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import faust
import structlog

from contracts.errors import Unavailable
from contracts.ports import FeatureStore
from contracts.topics import Topic, topic_name
from features.entities import EntityHasher
from streams.app import TablelessApp
from streams.delivery import Delivery
from streams.health import HealthServer
from streams.history import ClickHistory
from streams.lane import Chunk
from streams.lanes import InFlight, Lanes
from streams.metrics import Metrics
from streams.outputs import Outputs
from streams.poll_thread import PollThread
from streams.recovery import Recovery
from streams.releases import Releases
from streams.scoring import Scoring
from streams.shadow import ShadowScoring
from streams.start_points import StartPoints
from streams.status import Status
from streams.transport import BatchConsumer, BatchTransport

STATUS_S = 5.0
COMMIT_S = 0.5
FUSE_SESSIONS = 0.7
CLOSE_S = 10.0
# Decisions leave no cycles behind: collect seldom, and what is old hardly ever.
GC_THRESHOLDS = (50_000, 20, 100)

log = structlog.get_logger()


@dataclass(frozen=True)
class WorkerOptions:
    """What the worker must know of its deployment. `kafka` is librdkafka's configuration of servers and security."""

    kafka: dict[str, Any]
    prefix: str
    group: str
    session_s: float
    worker_id: str
    clicks_topic_id: str
    http_host: str
    http_port: int
    dead_letter_limit_ratio: float
    decide_while_cold: bool
    skip_expired: bool = False


class Worker:
    """One worker process. Make it and run it inside the event loop."""

    def __init__(
        self, options: WorkerOptions, store: FeatureStore, hasher: EntityHasher, releases: Releases, metrics: Metrics
    ) -> None:
        self._options = options
        self._store = store
        self._releases = releases
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._failed: asyncio.Future[Any] = self._loop.create_future()
        self._stop = asyncio.Event()
        self._in_flight = InFlight()
        self._stored: deque[Chunk] = deque()
        self._told = False
        self._delivery = Delivery(options.kafka, self._fatal)
        history = ClickHistory(options.kafka, self._name(Topic.CLICKS))
        self._lanes = Lanes(
            store, Recovery(store, history, metrics), self._in_flight, options.dead_letter_limit_ratio, self._fail
        )
        self._outputs = Outputs(self._delivery, options.prefix, options.clicks_topic_id, self._delivered)
        self._scoring = Scoring(
            self._lanes,
            store,
            hasher,
            self._outputs,
            lambda: releases.judges,
            ShadowScoring(metrics, releases.shadow_failed),
            metrics,
            decide_while_cold=options.decide_while_cold,
        )
        self._lanes.wake = self._scoring.wake
        self._poll_thread: PollThread | None = None
        self._status = Status(options.worker_id, self._lanes, releases, self._in_flight, self._lag)
        self._health = HealthServer(metrics.registry, self.problems, lambda: self._status.refresh(metrics))
        self._app = self._make_app()

    async def run(self, started: Callable[[int], None] = lambda port: None) -> None:
        """Decide clicks until `stop()`; then drain, commit and leave the group. Raises what ended it otherwise."""
        port = await self._health.start(self._options.http_host, self._options.http_port)
        self._releases.acted = self._publish_status
        tasks = [
            self._supervised(work)
            for work in (
                self._scoring.start_takes(),
                self._scoring.complete_takes(),
                self._outputs.hand_on_rows(),
                self._lanes.watch(),
                self._releases.follow(),
                self._fuse(),
                self._every(STATUS_S, self._publish_status),
            )
        ]
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        sys.setswitchinterval(0.0005)
        # Faust's start returns after the first assignment, which may be what fails.
        tasks.append(self._supervised(self._app.start()))
        started(port)
        stopping: asyncio.Future[Any] = self._loop.create_task(self._stop.wait())
        try:
            await asyncio.wait((stopping, self._failed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            await self._close(tasks)
        if self._failed.done():
            self._failed.result()

    def stop(self) -> None:
        """Ask for a graceful end."""
        self._stop.set()

    def problems(self) -> list[str]:
        """What keeps the worker from deciding."""
        return self._status.problems(time.monotonic())

    # -- parts

    def _make_app(self) -> faust.App:
        app = TablelessApp(
            self._options.group,
            broker="kafka://",
            store="memory://",
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            broker_commit_interval=COMMIT_S,
            stream_wait_empty=False,
            monitor=None,
            loop=self._loop,
        )
        app.transport = app.producer_transport = BatchTransport(app, self._lanes, self._start_polling)
        topic = app.topic(
            self._name(Topic.CLICKS), value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw"
        )

        async def pass_on(stream: Any) -> None:
            async for event in stream.noack().events():
                while True:
                    for part in await event.message.value.take():
                        self._lanes.receive(*part)

        app.agent(topic, name="clicks", supervisor_strategy=None)(pass_on)
        return app

    def _start_polling(self, consumer: BatchConsumer) -> PollThread:
        options = self._options
        starts = StartPoints(
            options.kafka, options.prefix, options.group, options.clicks_topic_id, skip_expired=options.skip_expired
        )
        self._poll_thread = PollThread(
            options.kafka,
            self._name(Topic.CLICKS),
            options.group,
            options.session_s,
            self._loop,
            consumer,
            self._in_flight,
            starts.find,
            self._delivery.flush,
            lambda error: self._loop.call_soon_threadsafe(self._fail, error),
        )
        self._poll_thread.start()
        return self._poll_thread

    async def _close(self, tasks: list[asyncio.Task[None]]) -> None:
        await self._app.stop()
        self._status.publish(self._delivery, self._name(Topic.WORKER_STATUS), time.monotonic(), _now_ms(), stopped=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if left := await asyncio.to_thread(self._delivery.close, CLOSE_S):
            log.warning("stopped with records undelivered; they will be decided again", records=left)
        await self._releases.close()
        await self._store.close()
        await self._health.close()

    # -- from other threads

    def _delivered(self, chunks: Sequence[Chunk]) -> None:
        self._stored.extend(chunks)
        if not self._told:
            self._told = True
            self._loop.call_soon_threadsafe(self._finish)

    def _fatal(self, reason: str) -> None:
        # A gap in an output must not be followed by anything: no draining, no commit.
        os.write(2, f"slidr worker ends: {reason}\n".encode())
        os._exit(Unavailable.exit_code)

    # -- in the loop

    def _finish(self) -> None:
        # In this order: what is added from now on is told again, what was added before is taken here.
        self._told = False
        while self._stored:
            self._lanes.delivered(self._stored.popleft())

    async def _fuse(self) -> None:
        """End a process that was stalled beyond its session: another worker may own its partitions."""
        beat_s = time.monotonic()
        while True:
            await asyncio.sleep(0.5)
            now_s = time.monotonic()
            if now_s - beat_s > FUSE_SESSIONS * self._options.session_s:
                self._fatal(f"it stood still for {now_s - beat_s:.1f} s, longer than its session allows.")
            beat_s = now_s

    async def _every(self, seconds: float, work: Callable[[], None]) -> None:
        while True:
            work()
            await asyncio.sleep(seconds)

    def _publish_status(self) -> None:
        self._status.publish(self._delivery, self._name(Topic.WORKER_STATUS), time.monotonic(), _now_ms())

    def _supervised(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task whose failure ends the worker."""
        task = self._loop.create_task(work)
        task.add_done_callback(self._task_ended)
        return task

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)

    def _lag(self) -> dict[int, int]:
        return self._poll_thread.lag if self._poll_thread else {}

    def _name(self, topic: Topic) -> str:
        return topic_name(topic, self._options.prefix)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
