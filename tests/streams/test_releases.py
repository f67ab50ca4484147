"""What a worker does about release events, on a real Kafka, with releases that load, fail, hang, and come back."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from contracts.errors import Misconfigured, SlidrError, Unavailable
from contracts.events import ReleaseAction, ReleaseEvent
from contracts.features import FEATURE_IDS
from contracts.topics import Topic, topic_name
from model.manifest import SLICES
from model.release import Release
from model.scorer import PassThroughScorer
from rules.ruleset import RuleSet
from slidr.servers import KafkaServer
from streams import releases as module
from streams.judge import Judge
from streams.metrics import Metrics
from streams.release_admin import ReleaseLog
from streams.release_log import in_force
from streams.releases import Releases
from streams.topic_admin import create_topics
from tests.builders import START_MS

PATIENCE_S = 60.0
DEFAULT = "first"


class Store:
    """Loads any version, unless told otherwise: an error to raise, or an event to wait for."""

    def __init__(self) -> None:
        self.faults: dict[str, SlidrError | Exception | threading.Event] = {}
        self.loaded: list[str] = []

    def load(self, version: str) -> Judge:
        self.loaded.append(version)
        fault = self.faults.get(version)
        if isinstance(fault, threading.Event):
            fault.wait(PATIENCE_S)
        elif fault is not None:
            raise fault
        thresholds = dict.fromkeys(SLICES, 1.0)
        return Judge(
            Release(version, FEATURE_IDS, None, thresholds, b"{}", None, None), PassThroughScorer(), RuleSet.default()
        )


class Place(NamedTuple):
    """A topic of releases, and a store."""

    config: dict[str, Any]
    topic: str
    store: Store

    async def announce(self, action: ReleaseAction, version: str) -> int:
        """Write an event that takes effect; its offset."""
        log = ReleaseLog(self.config, self.topic, DEFAULT)

        def write() -> int:
            state = in_force(log.history(), DEFAULT)
            return log.append(ReleaseEvent(action, version, state.offset, START_MS, "dana", "a test"))

        return await asyncio.to_thread(write)

    def releases(self) -> Releases:
        return Releases(self.config, self.topic, DEFAULT, self.store.load, Metrics())

    @asynccontextmanager
    async def following(self) -> AsyncIterator[Releases]:
        """Releases of a worker that runs."""
        releases = self.releases()
        await releases.start()
        task = asyncio.create_task(releases.follow())
        try:
            yield releases
            if task.done():
                task.result()
        finally:
            task.cancel()
            await releases.close()


@pytest.fixture
def place(kafka: KafkaServer, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(module, "FIRST_RETRY_S", 0.05)
    config = {"bootstrap.servers": kafka.bootstrap_servers}
    create_topics(config, topic_prefix, 1)
    return Place(config, topic_name(Topic.MODEL_RELEASES, topic_prefix), Store())


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await work()

    asyncio.run(limited())


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def in_use(releases: Releases) -> tuple[str, str | None]:
    active, shadow = releases.judges
    return active.version, shadow and shadow.version


def test_a_promotion_is_loaded_once_and_a_rollback_takes_what_is_in_memory(place: Place) -> None:
    async def work() -> None:
        async with place.following() as releases:
            await place.announce("promote", "b")
            await until(lambda: releases.acted_upon == 0)
            assert in_use(releases) == ("b", DEFAULT)
            await place.announce("rollback", DEFAULT)
            await until(lambda: releases.acted_upon == 1)
            assert in_use(releases) == (DEFAULT, None)

    run(work)
    assert place.store.loaded == [DEFAULT, "b"]


def test_a_worker_that_starts_late_finds_active_and_shadow(place: Place) -> None:
    async def work() -> None:
        for action, version in (("promote", "b"), ("promote", "c"), ("shadow", "d")):
            await place.announce(action, version)  # type: ignore[arg-type]
        async with place.following() as releases:
            await until(lambda: releases.acted_upon == 2)
            assert in_use(releases) == ("c", "d")

    run(work)
    assert place.store.loaded == ["c", "d"]


@pytest.mark.parametrize("fault", [Misconfigured("its sha256 is wrong"), KeyError("its sha256")])
def test_a_release_that_fails_to_load_leaves_both_judges_and_the_event_is_acted_upon(
    place: Place, fault: Exception
) -> None:
    place.store.faults["broken"] = fault

    async def work() -> None:
        async with place.following() as releases:
            await place.announce("shadow", "s")
            await until(lambda: releases.acted_upon == 0)
            await place.announce("promote", "broken")
            await until(lambda: releases.acted_upon == 1)
            assert in_use(releases) == (DEFAULT, "s")
            assert releases.problem
            assert "broken" in releases.problem
            assert "sha256" in releases.problem
            await place.announce("promote", "good")
            await until(lambda: releases.acted_upon == 2)
            assert (in_use(releases), releases.problem) == (("good", None), None)

    # The shadow of `good` is `broken`, which was in force: it cannot be scored, and that keeps nothing from deciding.
    run(work)


def test_a_model_store_that_is_away_is_asked_again_until_it_answers(place: Place) -> None:
    place.store.faults["b"] = Unavailable("The model store does not answer.")
    told: list[tuple[int, str | None]] = []

    async def work() -> None:
        async with place.following() as releases:
            releases.acted = lambda: told.append((releases.acted_upon, releases.problem))
            await place.announce("promote", "b")
            await until(lambda: place.store.loaded.count("b") > 2)
            assert (in_use(releases), releases.acted_upon) == ((DEFAULT, None), -1)
            assert releases.problem
            assert f"{DEFAULT} goes on serving: The model store does not answer. The next try is in" in releases.problem
            del place.store.faults["b"]
            await until(lambda: releases.acted_upon == 0)
            assert (in_use(releases), releases.problem) == (("b", DEFAULT), None)

    run(work)
    assert {offset for offset, problem in told if problem} == {-1}
    assert told[-1] == (0, None)


def test_a_newer_event_does_not_wait_for_a_release_that_hangs(place: Place) -> None:
    place.store.faults["hangs"] = hanging = threading.Event()

    async def work() -> None:
        async with place.following() as releases:
            await place.announce("promote", "hangs")
            await until(lambda: "hangs" in place.store.loaded)
            await place.announce("rollback", "b")
            await until(lambda: releases.acted_upon == 1)
            assert in_use(releases) == ("b", None)
            hanging.set()
            await place.announce("shadow", "s")
            await until(lambda: releases.acted_upon == 2)
            assert in_use(releases) == ("b", "s")

    run(work)


def test_a_shadow_that_does_not_load_leaves_the_active_one_in_use_and_is_told_apart(place: Place) -> None:
    place.store.faults["s"] = Misconfigured("it is broken")

    async def work() -> None:
        async with place.following() as releases:
            await place.announce("shadow", "s")
            await until(lambda: releases.acted_upon == 0)
            assert (in_use(releases), releases.problem) == ((DEFAULT, None), None)
            assert releases.shadow_problem
            assert "it is broken" in releases.shadow_problem
            await place.announce("shadow", "")
            await until(lambda: releases.acted_upon == 1)
            assert releases.shadow_problem is None

    run(work)


def test_a_shadow_that_fails_while_scoring_is_given_up_until_it_is_asked_for_again(place: Place) -> None:
    async def work() -> None:
        async with place.following() as releases:
            await place.announce("shadow", "s")
            await until(lambda: releases.acted_upon == 0)
            told: list[str | None] = []
            releases.acted = lambda: told.append(releases.shadow_problem)
            shadow = releases.judges.shadow
            assert shadow
            releases.shadow_failed(shadow, RuntimeError("no"))
            assert in_use(releases) == (DEFAULT, None)
            assert told[0]
            assert "RuntimeError('no')" in told[0]
            await place.announce("shadow", "s")
            await until(lambda: releases.acted_upon == 1)
            assert in_use(releases) == (DEFAULT, "s")

    run(work)


def test_a_worker_that_starts_while_the_release_in_force_is_broken_serves_the_last_stable_one(place: Place) -> None:
    place.store.faults["broken"] = Misconfigured("it is broken")

    async def work() -> None:
        for action, version in (("promote", "good"), ("promote", "bad"), ("rollback", "good"), ("promote", "broken")):
            await place.announce(action, version)  # type: ignore[arg-type]
        async with place.following() as releases:
            assert in_use(releases) == ("good", None)
            await until(lambda: releases.acted_upon == 3)
            assert in_use(releases) == ("good", None)
            assert releases.problem
            assert "it is broken" in releases.problem

    run(work)


def test_a_worker_without_any_release_that_loads_does_not_start(place: Place) -> None:
    place.store.faults |= {DEFAULT: Misconfigured("it is broken"), "b": Misconfigured("b too")}

    async def work() -> None:
        await place.announce("promote", "b")
        releases = place.releases()
        with pytest.raises(Misconfigured, match="b too"):
            await releases.start()
        await releases.close()

    run(work)
