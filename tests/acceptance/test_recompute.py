"""Decided live by a worker, then counted again from the clicks: the same, but for the order of clicks on shared IPs."""

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from msgspec.structs import replace

from billing.log import open_consumer, scan, whole_log
from contracts.errors import Misconfigured
from contracts.events import Click, Decision
from contracts.features import HOUR_MS
from contracts.replay import Selection
from replay.log import ReplayLog
from replay.planning import Wish, make_plan
from replay.plans import Plans
from replay.releases import Releases
from rules.ruleset import RuleSet
from slidr.servers import KafkaServer, RedisServer
from slidr.times import show_time
from tests.acceptance.conftest import MakeDeployment
from tests.acceptance.deployment import Deployment
from tests.acceptance.test_faults import skewed_clicks
from tests.acceptance.test_replay_scenario import committed, counters
from tests.builders import START_MS
from tests.replay.logged import write_release_of


def with_oddities(clicks: Sequence[Click]) -> list[tuple[str, bytes, int]]:
    """As records in time order: some no clicks, some late by days, some from crawlers."""
    records = []
    for number, one in enumerate(clicks):
        value = one
        if number % 97 == 0:
            value = replace(one, clicked_at_ms=one.clicked_at_ms - 30 * HOUR_MS)
        if number % 53 == 0:
            value = replace(value, user_agent="Googlebot/2.1")
        body = b"no click" if number % 401 == 0 else msgspec.json.encode(value)
        records.append((one.account_id, body, START_MS + 20 * number))
    return records


def of_own_addresses(clicks: Sequence[Click]) -> list[Click]:
    """Each account behind an address of its own, but for some clicks through a proxy."""
    own = {account: f"10.0.{n // 250}.{n % 250}" for n, account in enumerate({one.account_id for one in clicks})}
    return [
        replace(one, ip="192.0.2.1" if number % 150 == 0 else own[one.account_id]) for number, one in enumerate(clicks)
    ]


def decide_live(deployment: Deployment, clicks: Sequence[Click]) -> None:
    """A worker decides all by the release `good`, and ends."""
    write_release_of(Path(deployment.environment["SLIDR_MODELS_URI"]), "good", seed=1)
    deployment.environment["SLIDR_REPLAYS_URI"] = f"{deployment.environment['SLIDR_MODELS_URI']}-replays"
    worker = deployment.start_worker(SLIDR_RELEASE="good")
    deployment.wait(worker.ready)
    deployment.send(with_oddities(clicks))
    deployment.wait_decided()
    assert worker.stop() == 0


def replayed(deployment: Deployment, *arguments: str) -> dict[str, Any]:
    """`slidr replay ...` as JSON."""
    done = deployment.slidr("replay", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def planned(deployment: Deployment, version: str = "good") -> str:
    """A recomputation of all that was decided, by the release that decided or another one; its id."""
    replay_id, now_ms = f"r{uuid.uuid4().hex[:8]}", time.time_ns() // 1_000_000
    wish = Wish(START_MS, None, Selection(), version, recompute=True)
    releases = Releases(deployment.environment["SLIDR_MODELS_URI"])
    plan = make_plan(deployment.kafka, deployment.prefix, releases, wish, replay_id, now_ms, show_time)
    Plans(deployment.environment["SLIDR_REPLAYS_URI"]).save(plan)
    return replay_id


def shadow(deployment: Deployment, replay_id: str) -> list[list[Decision]]:
    """What a reader takes of a run, by partition in the order of its log; what only tells runs apart is blanked."""
    topic = f"{deployment.prefix}decisions-replay-{replay_id}"
    consumer = open_consumer(deployment.kafka)
    found: list[list[Decision]] = [[] for _ in range(deployment.partitions)]
    try:
        for records in scan(consumer, topic, whole_log(consumer, topic)):
            for record in records:
                made = msgspec.json.decode(record.value() or b"", type=Decision)
                taken = found[made.source_partition]
                if not taken or made.source_offset > taken[-1].source_offset:
                    taken.append(replace(made, run="", revision=0, decided_at_ms=0))
    finally:
        consumer.close()
    return found


def records_of(deployment: Deployment, replay_id: str) -> int:
    """How many records a run has written."""
    consumer = open_consumer(deployment.kafka)
    try:
        held = whole_log(consumer, f"{deployment.prefix}decisions-replay-{replay_id}")
        return sum(stretch.end for stretch in held.values())
    except Misconfigured:  # the topic is not made yet
        return 0
    finally:
        consumer.close()


def live(deployment: Deployment) -> list[list[Decision]]:
    """What the worker wrote, likewise."""
    found: list[list[Decision]] = [[] for _ in range(deployment.partitions)]
    for partition, made in deployment.decisions():
        found[partition].append(replace(made, run="", revision=0, decided_at_ms=0))
    return found


@pytest.fixture
def deployment_of_one(kafka: KafkaServer, redis_url: str, make_deployment: MakeDeployment) -> Deployment:
    """One partition on the shared servers."""
    return make_deployment(kafka, redis_url, partitions=1)


class Decided(NamedTuple):
    """Two partitions that a worker has decided, its Redis, and a recomputation of all of them that was run."""

    deployment: Deployment
    redis_url: str
    before: Any
    replay_id: str
    outcome: dict[str, Any]


def state_of(deployment: Deployment, redis_url: str) -> Any:
    """What is live: counters, offsets of the group, decisions."""
    return counters(redis_url), committed(deployment), live(deployment)


@pytest.fixture(scope="module")
def decided(kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Decided]:
    """Decided by a worker and counted again."""
    folder = tmp_path_factory.mktemp("recompute")
    with RedisServer() as redis:
        deployment = Deployment(kafka.bootstrap_servers, redis.url, f"{folder.name}-{redis.port}-", folder, 2)
        try:
            deployment.create_topics()
            decide_live(deployment, of_own_addresses(skewed_clicks(6_000)))
            before = state_of(deployment, redis.url)
            plan = replayed(deployment, "plan", "--recompute", "--from", show_time(START_MS), "--model", "good")
            replay_id = plan["id"]
            outcome = replayed(deployment, "run", replay_id, "--local", "--clicks-per-s", "1000000")
            yield Decided(deployment, redis.url, before, replay_id, outcome)
        finally:
            deployment.close()


def test_counted_again_one_partition_is_what_it_was_bit_for_bit(deployment_of_one: Deployment) -> None:
    decide_live(deployment_of_one, skewed_clicks(2_000))
    replay_id = planned(deployment_of_one)

    done = replayed(deployment_of_one, "run", replay_id, "--local")

    agreement = done["agreement"]
    assert agreement["clicks"] == agreement["equal"] == agreement["verdicts_equal"] == done["written"] > 1_900
    assert shadow(deployment_of_one, replay_id) == live(deployment_of_one)


def test_what_differs_over_several_partitions_is_explained_and_nothing_live_is_touched(decided: Decided) -> None:
    agreement = decided.outcome["agreement"]

    assert agreement["clicks"] == decided.outcome["written"] > 5_900
    assert agreement["unexplained"] == agreement["verdicts_unexplained"] == 0
    assert agreement["shared"] == agreement["clicks"] - agreement["equal"] > 0
    assert agreement["verdicts_equal"] / agreement["clicks"] > 0.999
    again = [one for part in shadow(decided.deployment, decided.replay_id) for one in part]
    before = [one for part in live(decided.deployment) for one in part]
    assert 0 < sum(one != other for one, other in zip(again, before, strict=True)) <= agreement["shared"]
    assert state_of(decided.deployment, decided.redis_url) == decided.before


def test_a_second_recomputation_killed_and_resumed_is_the_same_and_has_each_decision_once(decided: Decided) -> None:
    deployment = decided.deployment
    again = planned(deployment)

    with deployment.start_slidr("replay", "run", again, "--local", "--clicks-per-s", "5000") as process:
        deployment.wait(lambda: process.returncode is not None or records_of(deployment, again) > 0)
        process.kill()
    written = records_of(deployment, again)
    replayed(deployment, "run", again, "--local")

    assert 0 < written < decided.outcome["written"], process.stderr.read_text()
    assert shadow(deployment, again) == shadow(deployment, decided.replay_id)


def test_rules_fire_again_by_the_lists_of_the_release_and_the_report_tells_agreement_and_flips(
    decided: Decided,
) -> None:
    lists = msgspec.json.decode(RuleSet.default().to_json())
    lists["declared_robot"] = {name: [] for name in lists["declared_robot"]}
    models = Path(decided.deployment.environment["SLIDR_MODELS_URI"])
    write_release_of(models, "lenient", seed=1, rules_json=msgspec.json.encode(lists))

    report = replayed(decided.deployment, "report", planned(decided.deployment, "lenient"))

    crawlers = sum(
        one.rules == ("declared_robot",) and one.score < one.threshold
        for part in live(decided.deployment)
        for one in part
    )
    explained = report["agreement"]["verdicts_explained"]
    assert report["agreement"] == decided.outcome["agreement"]
    assert f"of {report['agreement']['clicks']:,} clicks" in Path(report["page"]).read_text()
    assert abs(report["compared"]["confusion"]["invalid to valid"] - crawlers) <= explained < crawlers


def test_another_entity_key_than_the_workers_is_refused_before_anything_is_written(decided: Decided) -> None:
    replay_id = planned(decided.deployment)

    done = decided.deployment.slidr("replay", "run", replay_id, "--local", SLIDR_ENTITY_KEY="some other key of length")

    assert done.returncode == 2, done.stdout
    assert "SLIDR_ENTITY_KEY is not the key of the workers" in done.stderr
    with ReplayLog(decided.deployment.kafka, decided.deployment.prefix) as log:
        assert replay_id not in [replay.id for replay in log.replays()]
