"""A deployment that a worker has decided, and recomputations of it."""

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from billing.log import open_consumer, scan, whole_log
from contracts.errors import Misconfigured
from contracts.events import Click, Decision
from contracts.features import HOUR_MS
from contracts.replay import Selection
from replay.planning import Wish, make_plan
from replay.plans import Plans
from replay.releases import Releases
from slidr.servers import KafkaServer, RedisServer
from slidr.times import show_time
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


class Decided(NamedTuple):
    """Two partitions that a worker has decided, its Redis, and a recomputation of all of them that was run."""

    deployment: Deployment
    redis_url: str
    before: Any
    replay_id: str
    outcome: dict[str, Any]


@contextmanager
def decided_and_recounted(kafka: KafkaServer, folder: Path) -> Iterator[Decided]:
    """Decided by a worker and counted again."""
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


def state_of(deployment: Deployment, redis_url: str) -> Any:
    """What is live: counters, offsets of the group, decisions."""
    return counters(redis_url), committed(deployment), live(deployment)
