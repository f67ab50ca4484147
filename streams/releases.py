"""Follows `model-releases` and keeps the releases in force loaded: the one that decides, and its shadow.

    event read ──► releases loaded and warmed up, in a thread ──► swapped between two takes ──► `worker-status`

A release that cannot be loaded leaves the one before serving, and is reported. While the model store does not answer,
loading is tried again. A newer event is acted upon at once, whatever is still being loaded for the one before.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import structlog
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from contracts.errors import Unavailable
from streams.judge import Judge, Judges
from streams.metrics import Metrics
from streams.release_admin import events_of
from streams.release_log import Entry, InForce, fold, in_force, stable_releases
from streams.threads import in_daemon_thread

log = structlog.get_logger()
START_S = 15.0
READ_S = 0.5
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 30.0
_MOST_EVENTS = 1_000

Role = Literal["active", "shadow"]


class Releases:
    """The judges in use. `load(version)` is called in a thread: it returns a warmed-up judge or raises SlidrError."""

    def __init__(
        self, kafka: dict[str, Any], topic: str, default: str, load: Callable[[str], Judge], metrics: Metrics
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._default = default
        self._load = load
        self._metrics = metrics
        self._history: list[Entry] = []
        self._judges: Judges | None = None
        self._problems: dict[Role, str] = {}
        self._fetching: asyncio.Future[list[Message]] | None = None
        self.acted_upon = -1
        self.acted: Callable[[], None] = lambda: None

    @property
    def judges(self) -> Judges:
        """The judges in use; between takes they may be others."""
        assert self._judges is not None, "start() loads the first release"
        return self._judges

    @property
    def problem(self) -> str | None:
        """Why the release that decides is not the one in force."""
        return self._problems.get("active")

    @property
    def shadow_problem(self) -> str | None:
        """Why the shadow in force is not scored."""
        return self._problems.get("shadow")

    async def start(self) -> None:
        """Read the log to its end and load what is in force. Raises what loading raises: there is nothing to serve.

        If that release is broken, one that was in force before serves, as it does in workers that were running then.
        """
        self._consumer = await asyncio.to_thread(self._open)
        deadline_s = asyncio.get_running_loop().time() + START_S
        while not await self._read(0.1):
            if asyncio.get_running_loop().time() > deadline_s:
                raise Unavailable(f"The topic {self._topic} could not be read within {START_S:.0f} s.")
        self._use(Judges(await self._first()))

    async def follow(self) -> None:
        """Act upon events as they arrive; runs until cancelled."""
        while True:
            wanted = self._state
            acting = asyncio.create_task(self._act(wanted))
            try:
                while self._state == wanted:
                    await self._read(READ_S)
                    if acting.done():
                        acting.result()
            finally:
                acting.cancel()

    def shadow_failed(self, shadow: Judge, error: Exception) -> None:
        """Give up a shadow that failed while scoring."""
        if self.judges.shadow is shadow:
            self._metrics.shadow_failures.inc()
            self._report("shadow", f"The shadow release {shadow.version} failed and is not scored any more: {error!r}")
            self._use(Judges(self.judges.active))
            self.acted()

    async def close(self) -> None:
        """Give back the connection."""
        if self._fetching is not None:
            await asyncio.wait([self._fetching])  # a consumer must not be closed while it is asked
        await asyncio.to_thread(self._consumer.close)

    @property
    def _state(self) -> InForce:
        return in_force(self._history, self._default)

    async def _first(self) -> Judge:
        try:
            return await in_daemon_thread(lambda: self._load(self._state.active))
        except Unavailable:
            raise
        except Exception as error:
            for version in stable_releases(self._history):
                if judge := await self._loaded("active", version):
                    log.error("another release serves", wanted=self._state.active, serving=version, why=str(error))
                    return judge
            raise

    async def _act(self, wanted: InForce) -> None:
        """Bring the releases of a state into use; a newer event cancels this."""
        active = await self._loaded("active", wanted.active)
        if active is not None:
            known = self._in_use(wanted.shadow)
            self._use(Judges(active, known))
            self._report("shadow", None)
            if wanted.shadow and not known:
                self._use(Judges(active, await self._loaded("shadow", wanted.shadow)))
        self.acted_upon = wanted.offset
        self.acted()

    async def _loaded(self, role: Role, version: str) -> Judge | None:
        """A release, loaded unless it is in use already; None if it cannot be. Waits while the model store is away."""
        judge = self._in_use(version)
        wait_s = FIRST_RETRY_S
        while judge is None:
            try:
                judge = await in_daemon_thread(lambda: self._load(version))
            except Unavailable as error:
                self._not_loaded(role, version, f"{error} The next try is in {wait_s:.0f} s.")
                self.acted()
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_RETRY_S)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with a release, the one before can decide
                self._not_loaded(role, version, str(error) or repr(error))
                return None
        self._report(role, None)
        return judge

    def _in_use(self, version: str | None) -> Judge | None:
        return next((judge for judge in self._judges or () if judge and judge.version == version), None)

    def _not_loaded(self, role: Role, version: str, why: str) -> None:
        self._metrics.load_failures.inc()
        if role == "shadow":
            self._report(role, f"The shadow release {version} could not be loaded and is not scored: {why}")
        else:
            serving = f"{self._judges.active.version} goes on serving" if self._judges else "nothing is served"
            self._report(role, f"Release {version} could not be loaded, {serving}: {why}")

    def _report(self, role: Role, problem: str | None) -> None:
        self._problems.pop(role, None)
        if problem:
            self._problems[role] = problem
            log.error("release not in use", role=role, why=problem)

    def _use(self, judges: Judges) -> None:
        before, self._judges = self._judges, judges
        for role, judge, gauge in zip(
            Judges._fields, judges, (self._metrics.release, self._metrics.shadow), strict=True
        ):
            gauge.clear()
            if judge:
                gauge.labels(judge.version, judge.provider).set(1)
            if judge and judge not in (before or ()):
                log.info("release in use", role=role, version=judge.version, provider=judge.provider)
        if before and before.active is not judges.active:
            self._metrics.swaps.inc()

    def _open(self) -> Consumer:
        consumer = Consumer(
            {**self._kafka, "group.id": "slidr-releases", "enable.auto.commit": False, "enable.partition.eof": True}
        )
        consumer.assign([TopicPartition(self._topic, 0, 0)])
        return consumer

    async def _read(self, timeout_s: float) -> bool:
        """Take in what arrives within `timeout_s`; whether the end of the log was reached."""
        self._fetching = asyncio.ensure_future(asyncio.to_thread(self._fetch, timeout_s))
        messages = await asyncio.shield(self._fetching)
        self._history += fold(events_of(messages), self._state)
        return any(_is_end(message) for message in messages)

    def _fetch(self, timeout_s: float) -> list[Message]:
        first = self._consumer.poll(timeout_s)
        return [] if first is None else [first, *self._consumer.consume(_MOST_EVENTS, 0)]


def _is_end(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF
