"""Agents share a replay, and go on with each other's work, on a real Kafka."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from billing.fold import Deduplicator
from billing.log import open_consumer, whole_log
from contracts.events import Click, Decision
from contracts.topics import Topic, topic_name
from replay.control import statuses
from replay.log import ReplayLog
from replay.status import RunStatus
from slidr.servers import KafkaServer
from slidr.times import show_time
from tests.builders import START_MS
from tests.conftest import WaitUntil
from tests.replay.agents import Agents
from tests.replay.conftest import Slidr, start
from tests.replay.expired import archive_now, expire
from tests.replay.logged import Logged, clicks_of, write_release_of

PARTITIONS = 4
KILLS = 20
PATIENCE_S = 90
PUBLISH = ("--publish", "--only-changed")
Planned = Callable[..., dict[str, Any]]


@pytest.fixture
def logged(kafka: KafkaServer, topic_prefix: str, tmp_path: Path) -> Logged:
    """Four partitions without a click, and the releases `good` and `faulty`."""
    made = Logged(kafka.bootstrap_servers, topic_prefix, tmp_path, PARTITIONS)
    made.environment["SLIDR_GROUP"] = f"{topic_prefix}workers"
    write_release_of(made.models, "good", seed=1)
    write_release_of(made.models, "faulty", seed=2)
    return made


@pytest.fixture
def agents(logged: Logged, tmp_path: Path) -> Iterator[Agents]:
    """`agents.start()`; they end with the test."""
    made = Agents(logged, tmp_path)
    yield made
    made.close()


class Watched:
    """A replay as its log tells it."""

    def __init__(self, log: ReplayLog, replay_id: str, agents: Agents) -> None:
        self._log = log
        self._id = replay_id
        self._agents = agents

    def status(self) -> RunStatus | None:
        """None until it was asked for."""
        found = [run for run in statuses(self._log, int(time.time() * 1000)) if run.replay_id == self._id]
        return found[-1] if found else None

    def wait(self, condition: Callable[[RunStatus], object]) -> RunStatus:
        """The status when the condition holds."""
        deadline_s = time.monotonic() + PATIENCE_S
        while (found := self.status()) is None or not condition(found):
            assert time.monotonic() < deadline_s, f"{found}\n{self._agents.logs()}"
            time.sleep(0.02)
        return found


@pytest.fixture
def watch(logged: Logged, agents: Agents) -> Iterator[Callable[[str], Watched]]:
    """`watch(replay_id)`."""
    with ReplayLog(logged.kafka, logged.prefix) as log:
        yield lambda replay_id: Watched(log, replay_id, agents)


def good_decisions(logged: Logged, clicks: list[Click]) -> dict[str, Decision]:
    """What `good` says of clicks that `faulty` has decided."""
    elsewhere = Logged(logged.kafka["bootstrap.servers"], f"{logged.prefix}else-", logged.models.parent, PARTITIONS)
    return {one.click_id: one for one in elsewhere.decide(clicks, "good")}


def assert_corrected(logged: Logged, replay_id: str, clicks: list[Click], live: dict[str, Decision]) -> None:
    """Every correction stands once for a reader, none is missing, none conflicts."""
    good = good_decisions(logged, clicks)
    rule = Deduplicator()
    corrections = [one for one in logged.records(replay_id) if rule.admit(one.source_partition, one)]
    flips = {name for name, one in good.items() if one.verdict != live[name].verdict}
    assert Counter(one.click_id for one in corrections) == Counter(flips)
    assert {name: one.verdict for name, one in logged.effective().items()} == {
        n: one.verdict for n, one in good.items()
    }


def test_two_agents_share_the_partitions_and_the_rate_of_a_replay(
    logged: Logged, slidr: Slidr, planned: Planned, agents: Agents, watch: Callable[[str], Watched]
) -> None:
    clicks = clicks_of(8_000)
    live = {one.click_id: one for one in logged.decide(clicks, "faulty")}
    archive_now(logged)
    expire(logged, Topic.FEATURE_LOG, {0: -1, 1: 5})
    replay_id = planned("--from", show_time(START_MS))["id"]
    run = watch(replay_id)
    both = {agents.start().name, agents.start().name}

    with start(logged, "replay", "run", replay_id, *PUBLISH, "--clicks-per-s", "400") as running:
        shared = run.wait(
            lambda run: set(run.agents) == both and all(100 < one.clicks_per_s < 300 for one in at_work(run))
        )
        table = slidr("replay", "status", replay_id).stdout
        slidr("replay", "rate", replay_id, "1000000")
        code = running.wait(PATIENCE_S)
    done = run.wait(lambda run: run.state == "done")

    assert len(at_work(shared)) == 2
    assert shared.clicks_per_s < 600
    assert all(name in table for name in both)
    assert code == 0
    assert ": done." in running.stdout.read_text()
    assert {one.by for one in done.partitions} == both
    assert_corrected(logged, replay_id, clicks, live)


def at_work(run: RunStatus) -> list[Any]:
    """Progress of the partitions that somebody works on."""
    return [one for one in run.partitions if one.state == "running" and one.by in run.agents]


@pytest.mark.timeout(900)
def test_a_published_replay_survives_twenty_kills_of_its_agents(
    logged: Logged, slidr: Slidr, planned: Planned, agents: Agents, watch: Callable[[str], Watched]
) -> None:
    clicks = clicks_of(12_000)
    live = {one.click_id: one for one in logged.decide(clicks, "faulty")}
    replay_id = planned("--from", show_time(START_MS))["id"]
    run, dice = watch(replay_id), random.Random(7)
    alive = {agent.name: agent for agent in (agents.start() for _ in range(PARTITIONS))}

    with start(logged, "replay", "run", replay_id, *PUBLISH, "--clicks-per-s", "300"):
        for _ in range(KILLS):
            found = run.wait(lambda run: any(one.by in alive for one in at_work(run)))
            victim = alive.pop(dice.choice([one.by for one in at_work(found) if one.by in alive]))
            wait_for_records(logged, dice.randrange(1, 60))
            victim.kill()
            agent = agents.start()
            alive[agent.name] = agent
        assert run.wait(lambda run: True).state != "done", "done before the last kill"
        slidr("replay", "rate", replay_id, "1000000")
        run.wait(lambda run: run.state == "done")

    assert_corrected(logged, replay_id, clicks, live)


def wait_for_records(logged: Logged, more: int) -> None:
    """Wait until so many more corrections stand, or nothing more comes for a while: its agents may be dead."""
    consumer = open_consumer(logged.kafka)
    try:
        name = topic_name(Topic.DECISIONS, logged.prefix)
        before = sum(held.end for held in whole_log(consumer, name).values())
        deadline_s = time.monotonic() + 3
        while sum(held.end for held in whole_log(consumer, name).values()) < before + more:
            if time.monotonic() > deadline_s:
                return
    finally:
        consumer.close()


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL])
def test_an_agent_that_ends_is_replaced(
    logged: Logged, slidr: Slidr, planned: Planned, agents: Agents, watch: Callable[[str], Watched], signal_number: int
) -> None:
    clicks = clicks_of(4_000)
    live = {one.click_id: one for one in logged.decide(clicks, "faulty")}
    replay_id = planned("--from", show_time(START_MS))["id"]
    run, first = watch(replay_id), agents.start()

    with start(logged, "replay", "run", replay_id, *PUBLISH, "--clicks-per-s", "100"):
        run.wait(lambda run: run.agents == (first.name,) and run.written)
        first.process.send_signal(signal_number)
        code = first.process.wait(60)
        left = run.wait(lambda run: True)
        second = agents.start()
        run.wait(lambda run: second.name in run.agents)
        slidr("replay", "rate", replay_id, "1000000")
        done = run.wait(lambda run: run.state == "done")

    assert code == (0 if signal_number == signal.SIGTERM else -signal.SIGKILL)
    assert {one.state for one in left.partitions} <= {"running", "done"}
    assert left.done < 4_000
    assert second.name in {one.by for one in done.partitions}
    assert_corrected(logged, replay_id, clicks, live)
    assert second.stop() == 0


def test_whoever_waits_for_agents_is_told_and_may_leave(
    logged: Logged, planned: Planned, agents: Agents, watch: Callable[[str], Watched], wait_until: WaitUntil
) -> None:
    logged.decide(clicks_of(400), "faulty")
    replay_id = planned("--from", show_time(START_MS))["id"]

    with start(logged, "replay", "run", replay_id) as running:
        wait_until(running.stderr.read_text)
        running.send_signal(signal.SIGINT)
        code = running.wait(60)
    agents.start()
    done = watch(replay_id).wait(lambda run: run.state == "done")

    told, output = running.stderr.read_text(), running.stdout.read_text()
    assert f"No agent has taken up replay {replay_id} within 4 s" in told  # one and a half of the tests' sessions
    assert "slidr replay-agent" in told
    assert code == 0
    assert "waiting" in output
    assert "It goes on" in output
    assert done.written == 400


def test_an_agent_that_cannot_open_the_release_says_so_to_whoever_asked(
    logged: Logged, slidr: Slidr, planned: Planned, agents: Agents, tmp_path: Path
) -> None:
    logged.decide(clicks_of(400), "faulty")
    replay_id = planned("--from", show_time(START_MS))["id"]
    without = agents.start(SLIDR_MODELS_URI=str(tmp_path / "nothing"))

    refused = slidr("replay", "run", replay_id)
    state = slidr("replay", "status", replay_id).stdout
    without.stop()
    agents.start()
    done = slidr("replay", "run", replay_id, "--json")

    assert refused.returncode == 1
    assert "cannot go on" in refused.stderr
    assert "'good'" in refused.stderr
    assert "failed" in state
    assert done.returncode == 0, done.stderr
    assert '"state":"done","written":400' in done.stdout


def test_what_is_done_in_the_process_that_was_told_so_is_left_to_it(
    logged: Logged,
    slidr: Slidr,
    planned: Planned,
    agents: Agents,
    watch: Callable[[str], Watched],
    wait_until: WaitUntil,
) -> None:
    logged.decide(clicks_of(4_000), "faulty")
    local = planned("--from", show_time(START_MS))["id"]
    shared = planned("--from", show_time(START_MS), "--advertiser", "advertiser-3")["id"]
    with start(logged, "replay", "run", local, "--local", "--clicks-per-s", "100") as running:
        watch(local).wait(lambda run: run.done)
        running.kill()
    agents.start()
    done = slidr("replay", "run", shared)

    before = watch(local).wait(lambda run: True)
    slidr("replay", "rate", local, "1000000")
    taken_up = slidr("replay", "run", local)

    assert ": done." in done.stdout
    assert before.done < 4_000
    assert not any(one.by.startswith("agent-") for one in before.partitions)
    assert ": done." in taken_up.stdout
