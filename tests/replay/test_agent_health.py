"""What a replay agent says of itself over HTTP, on a real Kafka."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client import generate_latest

from contracts.replay import Preparation, ReplayProgress
from replay.agent import AgentOptions, ReplayAgent
from replay.broker import Broker
from replay.metrics import METRICS, Name, ReplayMetrics
from replay.releases import Releases
from replay.run import Where
from slidr.times import show_time
from tests.acceptance.deployment import status_json
from tests.builders import START_MS
from tests.conftest import WaitUntil
from tests.object_store import object_store
from tests.replay.agents import Agents
from tests.replay.conftest import Slidr, start
from tests.replay.logged import Logged, clicks_of

AT = ReplayProgress("r1", 1, 0, 100, 0, 0, 7, "running", 0.0, "agent-1", START_MS)


@pytest.fixture
def agents(logged: Logged, tmp_path: Path) -> Iterator[Agents]:
    """`agents.start()`; they end with the test."""
    logged.environment["SLIDR_GROUP"] = f"{logged.prefix}workers"
    made = Agents(logged, tmp_path)
    yield made
    made.close()


def test_an_agent_is_ready_when_it_has_joined_and_counts_what_it_does(
    logged: Logged, planned: Callable[..., dict[str, Any]], slidr: Slidr, agents: Agents, wait_until: WaitUntil
) -> None:
    logged.decide(clicks_of(2_000), "faulty")
    replay_id = planned("--from", show_time(START_MS))["id"]
    agent = agents.start()

    wait_until(agent.ready)
    health = agent.get("/healthz")
    with start(logged, "replay", "run", replay_id, "--clicks-per-s", "500") as running:
        wait_until(lambda: agent.metric(Name.RECORDS))
        under_way = agent.metric(Name.UNDER_WAY)
        slidr("replay", "rate", replay_id, "1000000")
        running.wait()
    wait_until(lambda: not agent.metric(Name.UNDER_WAY))

    assert health == (200, '{"healthy": true}')
    assert status_json(agent) == {"ready": True, "problems": []}
    assert under_way == 1
    assert agent.metric(Name.ASSIGNED) == logged.partitions
    assert agent.metric(f'{Name.CLICKS}{{step="deciding"}}') == agent.metric(Name.RECORDS) == 2_000
    assert agent.metric(Name.PROBLEMS) == agent.metric(Name.RETRIES) == agent.metric(Name.LEFT_OUT) == 0
    assert agent.stop() == 0


def test_what_an_operator_must_mend_is_counted(
    logged: Logged, planned: Callable[..., dict[str, Any]], slidr: Slidr, agents: Agents, wait_until: WaitUntil,
    tmp_path: Path,
) -> None:  # fmt: skip
    logged.decide(clicks_of(100), "faulty")
    replay_id = planned("--from", show_time(START_MS))["id"]
    agent = agents.start(SLIDR_MODELS_URI=str(tmp_path / "nothing"))

    refused = slidr("replay", "run", replay_id)

    assert refused.returncode == 1
    wait_until(lambda: agent.metric(Name.PROBLEMS) == logged.partitions)
    assert agent.ready()


def test_an_agent_whose_model_store_does_not_answer_is_not_ready_and_says_so(
    logged: Logged, planned: Callable[..., dict[str, Any]], agents: Agents, wait_until: WaitUntil, tmp_path: Path
) -> None:
    logged.decide(clicks_of(100), "faulty")
    replay_id = planned("--from", show_time(START_MS))["id"]
    with object_store(tmp_path) as store:
        away = store.uri("models")
    agent = agents.start(SLIDR_MODELS_URI=away)
    wait_until(agent.ready)

    with start(logged, "replay", "run", replay_id):
        wait_until(lambda: agent.metric(Name.RETRIES))
        status, body = agent.get("/readyz")

    assert status == 503
    assert "does not answer" in body
    assert agent.stop() == 0


def test_an_agent_that_is_in_no_group_yet_is_not_ready_and_says_why(logged: Logged) -> None:
    async def asked() -> list[str]:
        where = Where(logged.kafka, logged.prefix, "agent-1")
        options = AgentOptions(where, Broker(["kafka://127.0.0.1:1"], None), f"{logged.prefix}g", 3.0, "127.0.0.1", 0)
        agent = ReplayAgent(options, Releases(str(logged.models)), lambda replay, log, stop: None)
        return agent.problems()

    assert asyncio.run(asked()) == ["Its group is assigning partitions."]


def test_a_second_agent_on_the_same_port_says_which_setting_to_change(agents: Agents, wait_until: WaitUntil) -> None:
    first = agents.start()
    wait_until(first.ready)

    second = agents.start(first.port)

    assert second.process_ends_within(60) == 2
    assert "set SLIDR_METRICS_PORT to a free one" in second.log.read_text()


def test_every_name_is_declared_and_exported() -> None:
    exported = generate_latest(ReplayMetrics().registry).decode()

    assert set(METRICS) == set(Name)
    assert all(name.value in exported for name in Name)


def test_only_what_the_agent_itself_has_done_is_counted_each_step_by_itself() -> None:
    metrics = ReplayMetrics()
    told = metrics.of_task()
    counting = [replace(AT, preparation=Preparation("counting", clicks, 9)) for clicks in (0, 4, 9)]
    for at in (*counting, AT, replace(AT, next_offset=130, written=9), replace(AT, problem="no disk")):
        told(at)
    metrics.of_task()(replace(AT, next_offset=150, written=20))  # of another agent, until now

    lines = generate_latest(metrics.registry).decode().splitlines()

    assert 'slidr_replay_clicks_total{step="counting"} 9.0' in lines
    assert 'slidr_replay_clicks_total{step="deciding"} 30.0' in lines
    assert "slidr_replay_records_total 2.0" in lines
    assert "slidr_replay_problems_total 1.0" in lines
