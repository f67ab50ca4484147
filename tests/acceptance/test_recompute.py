"""Decided live by a worker, then counted again from the clicks: the same, but for the order of clicks on shared IPs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from billing.log import open_consumer, scan, whole_log
from contracts.events import Click, Decision
from contracts.features import HOUR_MS
from slidr.times import show_time
from tests.acceptance.conftest import MakeDeployment
from tests.acceptance.deployment import Deployment
from tests.acceptance.test_faults import skewed_clicks
from tests.acceptance.test_replay_scenario import committed, counters
from tests.builders import START_MS
from tests.replay.logged import write_release_of

LIVE_FROM = show_time(START_MS)


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


def planned(deployment: Deployment) -> str:
    """A recomputation of all that was decided, by the release that decided."""
    return str(replayed(deployment, "plan", "--recompute", "--from", LIVE_FROM, "--model", "good")["id"])


def shadow(deployment: Deployment, replay_id: str) -> list[list[Decision]]:
    """What a run wrote, by partition in the order of its log; what only tells the runs apart is blanked."""
    topic = f"{deployment.prefix}decisions-replay-{replay_id}"
    consumer = open_consumer(deployment.kafka)
    found: list[list[Decision]] = [[] for _ in range(deployment.partitions)]
    try:
        for records in scan(consumer, topic, whole_log(consumer, topic)):
            for record in records:
                made = msgspec.json.decode(record.value() or b"", type=Decision)
                found[record.partition() or 0].append(replace(made, run="", revision=0, decided_at_ms=0))
    finally:
        consumer.close()
    return found


def live(deployment: Deployment) -> list[list[Decision]]:
    """What the worker wrote, likewise."""
    found: list[list[Decision]] = [[] for _ in range(deployment.partitions)]
    for partition, made in deployment.decisions():
        found[partition].append(replace(made, run="", revision=0, decided_at_ms=0))
    return found


def test_counted_again_one_partition_is_what_it_was_bit_for_bit(deployment_of_one: Deployment) -> None:
    clicks = skewed_clicks(2_000)
    decide_live(deployment_of_one, clicks)
    replay_id = planned(deployment_of_one)

    done = replayed(deployment_of_one, "run", replay_id, "--local")

    agreement = done["agreement"]
    assert agreement["clicks"] == agreement["equal"] == agreement["verdicts_equal"] == done["written"] > 1_900
    assert shadow(deployment_of_one, replay_id) == live(deployment_of_one)


@pytest.fixture
def deployment_of_one(kafka: Any, redis_url: str, make_deployment: MakeDeployment) -> Deployment:
    """One partition on the shared servers."""
    return make_deployment(kafka, redis_url, partitions=1)


def test_counted_again_several_partitions_are_the_same_each_time_and_close_to_what_they_were(
    deployment: Deployment, redis_url: str
) -> None:
    decide_live(deployment, of_own_addresses(skewed_clicks(6_000)))
    before = counters(redis_url), committed(deployment), live(deployment)
    first, second = planned(deployment), planned(deployment)

    done = [replayed(deployment, "run", name, "--local", "--clicks-per-s", "1000000") for name in (first, second)]

    agreement = done[0]["agreement"]
    assert agreement["clicks"] == done[0]["written"] > 5_900
    assert agreement["unexplained"] == agreement["verdicts_unexplained"] == 0
    assert agreement["shared"] > 0
    assert agreement["verdicts_equal"] / agreement["clicks"] > 0.999
    assert done[1]["agreement"] == agreement
    assert shadow(deployment, first) == shadow(deployment, second)
    assert (counters(redis_url), committed(deployment), live(deployment)) == before
