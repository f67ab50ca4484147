"""Plan and run, as an operator does, on a real Kafka."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from billing.log import open_consumer, scan, whole_log
from contracts.events import Decision
from contracts.replay import Selection
from replay import sample
from replay.planning import Wish, make_plan
from replay.plans import Plans
from replay.releases import Releases
from slidr.times import show_time
from tests.builders import START_MS
from tests.replay.conftest import Slidr
from tests.replay.logged import Logged, clicks_of

Planned = Callable[..., dict[str, Any]]
SINCE = ("--from", show_time(START_MS))


def shadow_records(logged: Logged, replay_id: str) -> list[Decision]:
    topic = f"{logged.prefix}decisions-replay-{replay_id}"
    consumer = open_consumer(logged.kafka)
    try:
        found = [record for records in scan(consumer, topic, whole_log(consumer, topic)) for record in records]
    finally:
        consumer.close()
    return [msgspec.json.decode(record.value() or b"", type=Decision) for record in found]


def test_the_same_release_decides_byte_for_byte_the_same(logged: Logged, slidr: Slidr, planned: Planned) -> None:
    decided = logged.decide(clicks_of(3_000), "good")
    replay_id = planned(*SINCE)["id"]

    done = slidr("replay", "run", replay_id, "--local", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["written"] == 3_000
    again = {one.click_id: one for one in shadow_records(logged, replay_id)}
    assert {one.run for one in again.values()} == {replay_id}
    for one in decided:
        as_live = replace(again[one.click_id], run="live", revision=0, decided_at_ms=one.decided_at_ms)
        assert msgspec.json.encode(as_live) == msgspec.json.encode(one)


def test_corrections_bring_the_bill_to_what_the_good_release_would_have_said(
    logged: Logged, slidr: Slidr, planned: Planned
) -> None:
    clicks = clicks_of(3_000)
    live = logged.decide(clicks, "faulty")
    plan = planned(*SINCE)

    done = slidr("replay", "run", plan["id"], "--local", "--publish", "--only-changed", "--json")

    assert done.returncode == 0, done.stderr
    expected = {one.click_id: one for one in as_decided_by(logged, clicks, "good")}
    effective = logged.effective()
    assert {name: one.verdict for name, one in effective.items()} == {n: one.verdict for n, one in expected.items()}
    flips = [one for one in live if expected[one.click_id].verdict != one.verdict]
    corrections = logged.records(plan["id"])
    assert sorted(one.click_id for one in corrections) == sorted(one.click_id for one in flips)
    assert {(one.supersedes, one.revision) for one in corrections} == {("live", 1)}
    restored = sum(one.verdict == "invalid" for one in flips)
    assert plan["outlook"]["exact"]
    assert plan["outlook"]["restored"]["value"] == restored
    assert plan["outlook"]["invalidated"]["value"] == len(flips) - restored


def as_decided_by(logged: Logged, clicks: Any, version: str) -> list[Decision]:
    """What another release would have said of the same features, written nowhere."""
    elsewhere = Logged(logged.kafka["bootstrap.servers"], f"{logged.prefix}else-", logged.models.parent)
    return elsewhere.decide(clicks, version)


def test_what_was_billed_counts_where_the_feature_log_says_otherwise(
    logged: Logged, slidr: Slidr, planned: Planned
) -> None:
    """A worker died between the two, and another release was in force when the rows were written again."""
    good = logged.decide(clicks_of(300), "good", in_decisions=False)
    logged.write_decisions(replace(one, verdict="invalid", model_version="faulty") for one in good)
    logged.flush()
    plan = planned(*SINCE)

    slidr("replay", "run", plan["id"], "--local", "--publish", "--only-changed")

    assert plan["outlook"]["restored"]["value"] == 0
    valid = {one.click_id for one in good if one.verdict == "valid"}
    assert {one.click_id for one in logged.records(plan["id"])} == valid
    assert {name for name, one in logged.effective().items() if one.verdict == "valid"} == valid


def test_a_sampled_plan_says_how_far_it_may_be_off(
    logged: Logged, slidr: Slidr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "BLOCKS", 30)
    monkeypatch.setattr(sample, "RECORDS_PER_BLOCK", 2)
    live = {one.click_id: one.verdict for one in logged.decide(clicks_of(8_000), "faulty")}
    wish = Wish(START_MS, None, Selection(), "good")

    plan = make_plan(logged.kafka, logged.prefix, Releases(str(logged.models)), wish, "r1", START_MS + 10**9, show_time)
    Plans(logged.environment["SLIDR_REPLAYS_URI"]).save(plan)
    slidr("replay", "run", "r1", "--local", "--publish", "--only-changed", "--clicks-per-s", "100000")

    flips = [one for name, one in logged.effective().items() if one.verdict != live[name]]
    invalidated = sum(one.verdict == "invalid" for one in flips)
    assert not plan.outlook.exact
    assert plan.outlook.sampled < 8_000 / 2
    assert plan.outlook.clicks == 8_000
    assert plan.outlook.invalidated.low < invalidated < plan.outlook.invalidated.high
    assert plan.outlook.restored.low < len(flips) - invalidated < plan.outlook.restored.high
    for currency, money in plan.outlook.money.items():
        charged = sum(one.cost_micros for one in flips if one.verdict == "valid" and one.currency == currency)
        assert money.charged.low < charged < money.charged.high


@pytest.mark.parametrize(("direction", "written"), [("invalidate", "invalid"), ("restore", "valid")])
def test_a_direction_and_a_selection_limit_what_is_written(
    logged: Logged, slidr: Slidr, planned: Planned, direction: str, written: str
) -> None:
    logged.decide(clicks_of(1_000), "faulty")
    only = ("--advertiser", "advertiser-3", "--slice", "mobile|user", "--model-version-was", "faulty")
    replay_id = planned(*SINCE, *only)["id"]

    done = slidr(
        "replay", "run", replay_id, "--local", "--publish", "--only-changed", "--direction", direction, "--json"
    )

    assert done.returncode == 0, done.stderr
    corrections = logged.records(replay_id)
    assert len(corrections) == json.loads(done.stdout)["written"] > 0
    assert {(one.verdict, one.advertiser_id, one.slice) for one in corrections} == {
        (written, "advertiser-3", "mobile|user")
    }
