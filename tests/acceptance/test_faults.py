"""Kills, restarts and losses: every click one effective decision, features as if nothing had happened."""

import random
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from redis import Redis

from contracts.events import Click
from contracts.feature_log import Flag
from features.memory_store import MemoryFeatureStore
from slidr.servers import KafkaServer, RedisServer
from tests.acceptance.conftest import MakeDeployment
from tests.acceptance.deployment import ENTITY_KEY, PATIENCE_S, Deployment
from tests.builders import START_MS, click
from tests.processes import SHORT_SESSION_S


def skewed_clicks(count: int, seed: int = 7, start_ms: int = START_MS, step_ms: float = 20.0) -> list[Click]:
    """Clicks in time order, a few of them late, of busy and quiet accounts behind busy and quiet IPs."""
    rng = random.Random(seed)
    clicks = []
    for number in range(count):
        user = int(rng.paretovariate(0.7)) % 2_000
        late_ms = rng.choice((0, 0, 0, 0, 9_000, 90_000))
        clicks.append(
            click(
                click_id=f"c{seed}-{number}",
                clicked_at_ms=start_ms + int(number * step_ms) - rng.randrange(late_ms + 1),
                user_id=f"u{user}" if user % 3 else None,
                session_id=f"s{user}-{rng.randrange(3)}",
                ip=f"198.51.{user % 40 % 7}.{user % 50}",
                user_agent=f"Mozilla/5.0 ({user % 5})",
                campaign_id=f"k{rng.randrange(8)}",
                logged_in=bool(user % 3),
            )
        )
    return clicks


def assert_counters_as_undisturbed(deployment: Deployment, redis_url: str, clicks: list[Click]) -> None:
    """Redis holds, bit for bit, what the reference implementation makes of the same clicks."""
    store = MemoryFeatureStore(ENTITY_KEY, namespace=deployment.prefix)
    store.count_clicks(clicks)
    expected = store.dump()
    with Redis.from_url(redis_url, socket_timeout=PATIENCE_S) as client:
        found = dict(zip(expected, client.mget(list(expected)), strict=True))
    assert found == expected


def assert_conserved(deployment: Deployment, clicks: int, *, zombies: bool = False) -> None:
    """Every click has one effective decision; only zombies may have written one twice."""
    found = deployment.conservation()
    assert found.holds, found
    assert found.total.decisions == clicks
    assert zombies or found.total.duplicates == 0, found


def without_times(deployment: Deployment) -> tuple[list[Any], list[Any]]:
    """Decisions and feature rows, times of decision apart, late duplicates of zombies dropped."""
    seen = -1
    decisions = []
    for _, decision in deployment.decisions():
        if decision.source_offset > seen:
            seen = decision.source_offset
            decisions.append(replace(decision, decided_at_ms=START_MS))
    rows = {row["source_offset"]: {**row, "decided_at_ms": None} for row in reversed(deployment.feature_rows())}
    return decisions, [rows[offset] for offset in sorted(rows)]


def test_two_workers_one_killed_half_way_decide_every_click_once(deployment: Deployment, redis_url: str) -> None:
    clicks = skewed_clicks(30_000)
    first, second = deployment.start_worker(), deployment.start_worker()
    deployment.wait(lambda: first.ready() and second.ready())

    deployment.send_clicks(clicks[:15_000])
    deployment.wait(lambda: second.metric("slidr_clicks_total") > 3_000)
    second.kill()
    deployment.send_clicks(clicks[15_000:])
    third = deployment.start_worker()
    deployment.wait_decided()

    assert_conserved(deployment, 30_000)
    assert_counters_as_undisturbed(deployment, redis_url, clicks)
    assert first.stop() == 0
    assert third.stop() == 0


def test_kills_change_no_byte_of_a_partition(
    kafka: KafkaServer, redis_url: str, make_deployment: MakeDeployment
) -> None:
    clicks = skewed_clicks(12_000)
    calm, disturbed = (make_deployment(kafka, redis_url, partitions=1) for _ in range(2))
    calm.start_worker()
    calm.send_clicks(clicks)
    calm.wait_decided()

    disturbed.send_clicks(clicks)
    for enough in (500, 1_000, 2_000):
        worker = disturbed.start_worker()
        disturbed.wait(lambda worker=worker, enough=enough: worker.metric("slidr_clicks_total") > enough)
        worker.kill()
    disturbed.start_worker()
    disturbed.wait_decided()

    assert without_times(disturbed) == without_times(calm)
    assert_conserved(disturbed, 12_000)


def test_a_paused_worker_comes_back_as_a_zombie_and_changes_nothing(deployment: Deployment, redis_url: str) -> None:
    clicks = skewed_clicks(20_000)
    first, second = deployment.start_worker(), deployment.start_worker()
    deployment.wait(lambda: first.ready() and second.ready())

    deployment.send_clicks(clicks[:10_000])
    deployment.wait(lambda: first.metric("slidr_clicks_total") > 500)
    first.pause()
    deployment.send_clicks(clicks[10_000:])
    deployment.wait_decided()
    first.resume()
    deployment.wait(lambda: first.ended() or first.ready())

    assert_conserved(deployment, 20_000, zombies=True)
    assert_counters_as_undisturbed(deployment, redis_url, clicks)


@pytest.fixture
def own_redis(tmp_path: Path) -> Any:
    with RedisServer(tmp_path / "redis") as server:
        yield server


def test_redis_killed_and_started_empty_is_noticed_and_counted_again(
    kafka: KafkaServer, own_redis: RedisServer, make_deployment: MakeDeployment
) -> None:
    clicks = skewed_clicks(20_000)
    deployment = make_deployment(kafka, own_redis.url)
    worker = deployment.start_worker()

    deployment.send_clicks(clicks[:10_000])
    deployment.wait_decided()
    own_redis.kill()
    deployment.send_clicks(clicks[10_000:15_000])
    own_redis.start(empty=True)
    deployment.send_clicks(clicks[15_000:])
    deployment.wait_decided()

    assert_conserved(deployment, 20_000)
    deployment.wait(worker.ready)
    assert_counters_as_undisturbed(deployment, own_redis.url, clicks)
    assert worker.metric("slidr_healed_clicks_total") >= 10_000


def test_redis_set_back_to_a_snapshot_is_noticed_without_a_click(
    kafka: KafkaServer, own_redis: RedisServer, make_deployment: MakeDeployment
) -> None:
    clicks = skewed_clicks(16_000)
    deployment = make_deployment(kafka, own_redis.url)
    worker = deployment.start_worker()

    deployment.send_clicks(clicks[:8_000])
    deployment.wait_decided()
    with Redis.from_url(own_redis.url, socket_timeout=PATIENCE_S) as client:
        client.save()
    deployment.send_clicks(clicks[8_000:12_000])
    deployment.wait_decided()
    own_redis.kill()
    own_redis.start()
    deployment.wait(lambda: worker.metric("slidr_healed_clicks_total") >= 4_000)
    deployment.wait(worker.ready)

    assert_counters_as_undisturbed(deployment, own_redis.url, clicks[:12_000])
    deployment.send_clicks(clicks[12_000:])
    deployment.wait_decided()
    assert_conserved(deployment, 16_000)
    assert_counters_as_undisturbed(deployment, own_redis.url, clicks)


def test_after_kafka_was_away_the_worker_goes_on_by_itself(
    tmp_path: Path, redis_url: str, make_deployment: MakeDeployment
) -> None:
    clicks = skewed_clicks(12_000)
    with KafkaServer(tmp_path / "kafka") as own_kafka:
        deployment = make_deployment(own_kafka, redis_url)
        worker = deployment.start_worker()
        deployment.send_clicks(clicks[:6_000])
        deployment.wait(lambda: worker.metric("slidr_clicks_total") > 2_000)

        own_kafka.stop()
        # Longer than the session, so that the partitions are lost meanwhile.
        with pytest.raises(TimeoutError):
            worker.process_ends_within(2.0 * int(SHORT_SESSION_S))
        own_kafka.start()
        deployment.send_clicks(clicks[6_000:])
        deployment.wait_decided()

        assert_conserved(deployment, 12_000)
        assert_counters_as_undisturbed(deployment, redis_url, clicks)
        assert worker.stop() == 0


def test_clicks_may_be_decided_cold_while_lost_state_is_counted_again(
    kafka: KafkaServer, own_redis: RedisServer, make_deployment: MakeDeployment
) -> None:
    clicks = skewed_clicks(24_000)
    deployment = make_deployment(kafka, own_redis.url)
    worker = deployment.start_worker(SLIDR_DECIDE_WHILE_COLD="true")

    deployment.send_clicks(clicks[:20_000])
    deployment.wait_decided()
    own_redis.kill()
    deployment.send_clicks(clicks[20_000:])
    own_redis.start(empty=True)
    deployment.wait_decided()
    deployment.wait(worker.ready)

    assert_conserved(deployment, 24_000)
    assert_counters_as_undisturbed(deployment, own_redis.url, clicks)
    rows = deployment.feature_table()
    flags = dict(zip(rows["click_id"].to_pylist(), rows["flags"].to_pylist(), strict=True))
    assert Flag.COLD in flags.values()
    assert not any(flags[click.click_id] for click in clicks[:20_000])
