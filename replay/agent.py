"""The replay agent: a Faust app whose agents share the partitions of replays with others of their group.

    replay-requests ──► share out ──► replay-tasks[p] ──► do partition p in a thread ──► acknowledge

Kafka gives the tasks of a partition to one agent at a time, and to another one when that does not answer for a session.
A task is acknowledged last, so whatever ends an agent, its task is delivered again. A rebalance takes partitions away
and mostly gives them back: work goes on meanwhile, and ends at the next rows if the partition went to another agent.
Both may write for a moment; a reader of the decisions drops what is not above the run's last offset.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
import structlog

from contracts.errors import BadInput, SlidrError, Unavailable
from contracts.replay import ReplayProgress
from contracts.topics import Topic, topic_name
from replay.broker import Broker
from replay.metrics import ReplayMetrics
from replay.releases import Releases
from replay.run import Where
from replay.stopping import GRACE_S, Stop, unless_stopped
from replay.tasks import Recompute, do_task, tasks_of
from streams.app import TablelessApp
from streams.health import HealthServer

COMMIT_S: Final = 0.5
RETRY_S: Final = 2.0
CLOSE_S: Final = 10.0
WATCH_S: Final = 0.2
# A task may take hours: Faust is not to call that an error.
_A_WEEK_S: Final = 7 * 86_400.0

log = structlog.get_logger()
T = TypeVar("T")


@dataclass(frozen=True)
class AgentOptions:
    """What an agent must know of its deployment; `where.by` is its name."""

    where: Where
    broker: Broker
    group: str
    session_s: float
    http_host: str
    http_port: int


class ReplayAgent:
    """One agent process. Make it and run it inside the event loop."""

    def __init__(self, options: AgentOptions, releases: Releases, recompute: Recompute) -> None:
        self._options = options
        self._releases = releases
        self._recompute = recompute
        self._loop = asyncio.get_running_loop()
        self._failed: asyncio.Future[Any] = self._loop.create_future()
        self._stop = Stop()
        self._at_work: dict[Any, Stop] = {}
        # What is tried again, and why.
        self._troubles: dict[Stop, str] = {}
        self._joined = False
        self._metrics = ReplayMetrics()
        self._health = HealthServer(
            self._metrics.registry, self.problems, lambda: self._metrics.under_way.set(len(self._at_work))
        )
        self._app = self._make_app()

    async def run(self, started: Callable[[int], None] = lambda port: None) -> None:
        """Work until `stop()`; then leave what is not done to others. Raises what ended it otherwise.

        `started` hears the port of health and metrics.
        """
        port = await self._health.start(self._options.http_host, self._options.http_port)
        work = self._start(lambda: started(port)), self._watch(), self._stop.wait()
        tasks = [self._loop.create_task(one) for one in work]
        try:
            await asyncio.wait((tasks[-1], self._failed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._close(tasks)
        if self._failed.done():
            self._failed.result()

    def stop(self) -> None:
        """Ask for a graceful end."""
        self._stop.set()

    def problems(self) -> list[str]:
        """What keeps the agent from working."""
        found = list(self._troubles.values())
        if self._failed.done():
            found.append(f"It ends: {self._failed.exception()}")
        elif not self._joined or self._app.rebalancing:
            found.append("Its group is assigning partitions.")
        return found

    # -- Faust

    def _make_app(self) -> TablelessApp:
        options = self._options
        app = TablelessApp(
            options.group,
            broker=options.broker.urls,
            broker_credentials=options.broker.credentials,
            broker_client_id=options.where.by,
            broker_session_timeout=options.session_s,
            broker_heartbeat_interval=1.0,
            broker_rebalance_timeout=options.session_s,
            broker_commit_interval=COMMIT_S,
            broker_commit_livelock_soft_timeout=_A_WEEK_S,
            stream_processing_timeout=_A_WEEK_S,
            stream_wait_empty=False,
            store="memory://",
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            loop=self._loop,
        )
        self._tasks = self._topic(app, Topic.REPLAY_TASKS)
        self._agent(app, "requests", self._topic(app, Topic.REPLAY_REQUESTS), self._share)
        self._agent(app, "tasks", self._tasks, self._work)
        app.on_partitions_assigned.connect(self._assigned)  # type: ignore[arg-type]  # wants names that Faust does not use
        return app

    def _topic(self, app: TablelessApp, topic: Topic) -> Any:
        name = topic_name(topic, self._options.where.prefix)
        return app.topic(name, value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw")

    def _agent(
        self, app: TablelessApp, name: str, topic: Any, handle: Callable[[Any], Coroutine[Any, Any, None]]
    ) -> None:
        async def agent(stream: Any) -> None:
            async for event in stream.noack().events():
                with self._failing(event):
                    await handle(event)

        app.agent(topic, name=name, supervisor_strategy=None)(agent)

    async def _assigned(self, app: Any, assigned: Any, **_: Any) -> None:
        log.info("assigned", topics=sorted(f"{tp.topic}[{tp.partition}]" for tp in assigned))
        self._joined = True
        tasks = topic_name(Topic.REPLAY_TASKS, self._options.where.prefix)
        self._metrics.assigned.set(sum(tp.topic == tasks for tp in assigned))
        for tp, stop in self._at_work.items():
            if tp not in assigned:
                stop.set()

    # -- what the agents do

    async def _share(self, event: Any) -> None:
        """Write the tasks of a request, and acknowledge it when they are stored."""
        tasks = await self._patiently(partial(tasks_of, self._options.where, event.value), self._stop)
        if tasks is None:
            return
        for task in tasks:
            key = f"{task.replay_id}/{task.revision}".encode()
            await (await self._tasks.send(key=key, value=msgspec.json.encode(task), partition=task.partition))
            log.info("shared out", replay=task.replay_id, partition=task.partition)
        event.ack()

    async def _work(self, event: Any) -> None:
        """Do a task, and acknowledge it at its end."""
        # What was fetched before a rebalance comes again, here or elsewhere.
        if self._stop.is_set() or event.message.generation_id != self._app.consumer_generation_id:
            return
        tp, stop = event.message.tp, Stop()
        self._at_work[tp] = stop
        log.info("task", partition=tp.partition, offset=event.message.offset)
        try:
            work = partial(
                do_task, self._options.where, self._releases, self._recompute, event.value, stop.thread,
                self._heard(stop),
            )  # fmt: skip
            if await self._patiently(work, stop):
                event.ack()
        finally:
            del self._at_work[tp]
        log.info("task ended", partition=tp.partition, offset=event.message.offset, finished=event.message.acked)

    async def _patiently(self, work: Callable[[], T], stop: Stop) -> T | None:
        """What work in a thread returns, tried again while a server does not answer; None if stopped."""
        try:
            while not stop.is_set():
                try:
                    return await unless_stopped(work, stop)
                except Unavailable as error:
                    log.warning("tried again", reason=str(error))
                    self._metrics.retries.inc()
                    self._troubles[stop] = str(error)
                    await stop.wait(RETRY_S)
            return None
        finally:
            self._troubles.pop(stop, None)

    def _heard(self, stop: Stop) -> Callable[[ReplayProgress], None]:
        """What a task tells, in its thread: it goes on, whatever had to be tried again."""
        counted = self._metrics.of_task()

        def told(progress: ReplayProgress) -> None:
            self._troubles.pop(stop, None)
            counted(progress)

        return told

    @contextlib.contextmanager
    def _failing(self, event: Any) -> Iterator[None]:
        """A record that is no request or task is left out; whatever else fails ends the process."""
        try:
            yield
        except BadInput as error:
            self._metrics.left_out.inc()
            log.error("left out", topic=event.message.topic, offset=event.message.offset, reason=str(error))
            event.ack()
        except Exception as error:
            self._fail(error)
            raise

    # -- life

    async def _start(self, started: Callable[[], None]) -> None:
        try:
            await self._app.start()
        except Exception as error:  # noqa: BLE001 - whatever it is ends the process
            self._fail(error)
        else:
            started()

    async def _watch(self) -> None:
        """Faust's services end themselves one by one when one of them fails, and tell nobody."""
        while not self._app.crashed:
            await asyncio.sleep(WATCH_S)
        self._fail(Unavailable(f"The agent cannot go on: {self._app.crash_reason!r}. Check that Kafka can be reached."))

    async def _close(self, tasks: list[asyncio.Task[None]]) -> None:
        self._stop.set()
        for stop in self._at_work.values():
            stop.set()
        deadline_s = self._loop.time() + GRACE_S + RETRY_S
        while (self._at_work or self._is_joining) and self._loop.time() < deadline_s:
            await asyncio.sleep(0.02)
        try:
            await asyncio.wait_for(self._app.stop(), CLOSE_S)
        except TimeoutError:
            self._leave()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._health.close()

    @property
    def _is_joining(self) -> bool:
        """Faust's threads lock each other up if they are stopped while their group assigns partitions."""
        return not self._failed.done() and (not self._joined or self._app.rebalancing)

    def _leave(self) -> None:
        """End a process whose threads never will: nothing is left to be written, and the group notices by itself."""
        error = self._failed.exception() if self._failed.done() else None
        log.warning("left without the group's knowledge: its members wait a session", failure=error and str(error))
        os._exit(error.exit_code if isinstance(error, SlidrError) else 1 if error else 0)

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)
