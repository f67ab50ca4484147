"""The usual ways do the same job: the same counts as counting by hand, and the same decisions on every engine."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from confluent_kafka import Consumer, TopicPartition

from bench.clicks import draw_clicks, fill
from bench.process import Child
from bench.usual_counts import DISTINCT_S, WINDOWS_S, Click, count, distinct_members, entity_names, queue, read
from bench.usual_model import Model
from bench.usual_ways import OTHERS_PYTHON, WAYS, Servers, Way
from contracts.topics import Topic
from slidr.servers import KafkaServer
from streams.topic_admin import create_topics
from tests.conftest import WaitUntil
from tests.releases import write_small_release

CLICKS = 300
RELEASE = "small"
WAYS_HERE = [
    pytest.param(
        way,
        id=way.key,
        marks=pytest.mark.skipif(not way.python.exists(), reason=f"{OTHERS_PYTHON} is missing: run `make others`"),
    )
    for way in WAYS
]


@pytest.fixture(scope="module")
def drawn() -> list[Any]:
    """Traffic of some three hours, so that windows end within it."""
    return draw_clicks(CLICKS, seed=1, clicks_per_s=CLICKS / 10_000)


@pytest.fixture
def clicks(drawn: list[Any]) -> list[Click]:
    """The same, as the usual ways read them."""
    return [Click.of(msgspec.to_builtins(click)) for click in drawn]


@pytest.fixture
def counters(redis_url: str) -> Iterator[redis.Redis]:
    """An empty Redis."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


def counted_by_hand(clicks: list[Click]) -> dict[str, float]:
    """Counts of the last click: each window is its bucket, and the share of the one before that is still within it."""
    last, features = clicks[-1], {}
    now_s = last.clicked_at_ms / 1_000

    def bucket(click: Click, window_s: int) -> int:
        return int(click.clicked_at_ms / 1_000 // window_s) - int(now_s // window_s)

    for entity, name in entity_names(last).items():
        same = [click for click in clicks if entity_names(click)[entity] == name]
        for window, window_s in WINDOWS_S.items():
            buckets = [bucket(click, window_s) for click in same]
            features[f"{entity}_clicks_{window}"] = buckets.count(0) + buckets.count(-1) * (
                1 - now_s % window_s / window_s
            )
    for number, (entity, what, _) in enumerate(distinct_members(last)):
        same = [click for click in clicks if entity_names(click)[entity] == entity_names(last)[entity]]
        for window, window_s in DISTINCT_S.items():
            members = {distinct_members(click)[number][2] for click in same if bucket(click, window_s) == 0} - {None}
            features[f"{entity}_distinct_{what}_{window}"] = len(members)
    return features


def test_the_counts_are_those_counted_by_hand(counters: redis.Redis, clicks: list[Click]) -> None:
    found = count(counters, clicks)

    for number, features in enumerate(found):
        expected = counted_by_hand(clicks[: number + 1])
        assert {name: features[name] for name in expected} == pytest.approx(expected)


def test_some_windows_hold_several_clicks_and_some_have_ended(counters: redis.Redis, clicks: list[Click]) -> None:
    found = count(counters, clicks)

    assert max(features["ip_clicks_1h"] for features in found) > 3
    assert max(features["account_distinct_campaigns_1h"] for features in found) > 1
    assert any(0 < features["ip_clicks_1h"] % 1 < 1 for features in found)


def test_a_batch_counts_as_its_clicks_one_by_one(counters: redis.Redis, clicks: list[Click]) -> None:
    together = count(counters, clicks)
    counters.flushdb()

    one_by_one = [features for click in clicks for features in count(counters, [click])]

    assert together == one_by_one


def test_both_clients_count_alike(counters: redis.Redis, redis_url: str, clicks: list[Click]) -> None:
    blocking = count(counters, clicks)
    counters.flushdb()

    assert asyncio.run(counted_async(redis_url, clicks)) == blocking


async def counted_async(url: str, clicks: list[Click]) -> list[dict[str, float]]:
    found = []
    async with redis.asyncio.Redis.from_url(url) as client:
        for click in clicks:
            async with client.pipeline(transaction=False) as pipe:
                queue(pipe, click)
                found.append(read(click, iter(await pipe.execute())))
    return found


@pytest.mark.parametrize("way", WAYS_HERE)
def test_every_way_takes_the_same_decisions(
    way: Way,
    kafka: KafkaServer,
    counters: redis.Redis,
    redis_url: str,
    drawn: list[Any],
    clicks: list[Click],
    topic_prefix: str,
    tmp_path: Path,
    wait_until: WaitUntil,
) -> None:
    config = {"bootstrap.servers": kafka.bootstrap_servers}
    source, target = topic_prefix + Topic.CLICKS, topic_prefix + Topic.DECISIONS
    create_topics(config, topic_prefix, 1, keep_forever=True)
    fill(config, source, drawn, 1)
    write_small_release(tmp_path, RELEASE)
    expected = Model(tmp_path / RELEASE).decide(clicks, count(counters, clicks))

    with way.process(
        Servers(kafka.bootstrap_servers, redis_url, tmp_path / RELEASE), source, target, tmp_path
    ) as child:
        found = decisions(config, target, child, wait_until)

    assert [judged(each) for each in found] == [judged(each) for each in expected]
    assert {each["verdict"] for each in found} == {"valid", "invalid"}


def decisions(config: dict[str, str], topic: str, child: Child, wait_until: WaitUntil) -> list[dict[str, Any]]:
    """What a process writes, as many as there are clicks."""
    found: list[dict[str, Any]] = []
    consumer = Consumer({**config, "group.id": "test"})
    consumer.assign([TopicPartition(topic, 0, 0)])

    def all_there() -> bool:
        child.check()
        found.extend(json.loads(message.value() or b"") for message in consumer.consume(CLICKS, 0.1))
        return len(found) >= CLICKS

    wait_until(all_there)
    consumer.close()
    return found


def judged(decision: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(decision[name] for name in ("click_id", "verdict", "score", "threshold", "cost_micros"))
