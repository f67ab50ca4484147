"""A faulty model has decided for a while: rolled back, its decisions are corrected, and nothing live is touched."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Consumer, TopicPartition
from msgspec.structs import replace
from redis import Redis

from billing.ledger import SqliteLedger
from billing.reader import BillingReader
from contracts.events import LIVE, Click, Decision
from contracts.features import FEATURE_IDS, FEATURE_INDEX
from contracts.ports import FloatMatrix
from contracts.topics import Topic
from contracts.verdicts import GuardrailVerdict
from model.decide import decide
from model.export import export
from model.manifest import SLICES, Training, thresholds_json
from model.release import Draft, load_release, write_release
from model.scorer import scorer_for
from model.train import Schedule, Shape, train
from rules.ruleset import RuleSet
from slidr.times import show_time
from tests.acceptance.deployment import PATIENCE_S, Deployment
from tests.acceptance.test_faults import assert_counters_as_undisturbed, skewed_clicks
from tests.acceptance.test_release_swap import switch
from tests.builders import START_MS
from tests.model.labelled import labelled_files
from tests.releases import judge_by_guardrails

DEVICES = ("mobile", "desktop", "app")
BLOCKED = GuardrailVerdict("label_rate", "blocked", "No click of a guest was labelled human.")


def traffic(count: int) -> list[Click]:
    """Clicks of several devices and advertisers."""
    return [
        replace(
            one, device=DEVICES[number % 3], advertiser_id=f"advertiser-{number % 5}", cost_micros=1_000 * (number % 9)
        )
        for number, one in enumerate(skewed_clicks(count))
    ]


def features_of(table: Any) -> FloatMatrix:
    return np.asarray(table["features"].combine_chunks().flatten()).reshape(len(table), len(FEATURE_IDS))


def teach(models: Path, version: str, features: FloatMatrix, robot: Any) -> None:
    """A release trained on clicks with these labels."""
    folder = models.parent / f"labels-{version}"
    labelled = labelled_files(folder, features, robot)
    network = train(
        labelled, labelled, Shape(FEATURE_IDS, (16, 8), weighted=False), Schedule(max_epochs=6, batch_rows=64)
    )
    draft = Draft(
        onnx=export(network, features, FEATURE_IDS),
        rules_json=RuleSet.default().to_json(),
        calibration_json=thresholds_json(dict.fromkeys(SLICES, 0.5)),
        feature_ids=FEATURE_IDS,
        training=Training(START_MS, START_MS + 1, len(features), 1),
        metrics={},
        created_at_ms=START_MS,
    )
    write_release(str(models), version, draft)


def teach_both(deployment: Deployment, models: Path) -> None:
    """A release that finds busy addresses, and one that was taught as if no purchase of a guest had arrived."""
    seen = features_of(deployment.feature_table())
    rate = seen[:, FEATURE_INDEX["ip_rate_10m"]]
    teach(models, "good", seen, rate > np.median(rate))
    teach(models, "faulty", seen, seen[:, FEATURE_INDEX["logged_in"]] == 0)
    judge_by_guardrails(models, "faulty", (BLOCKED,), override="the sale begins tonight")


def bill(deployment: Deployment, path: Path) -> dict[str, str]:
    """The verdict of each click on the bill of a ledger that read everything."""
    with SqliteLedger(path) as ledger:
        topic = deployment.name(Topic.DECISIONS)
        with BillingReader(deployment.kafka, topic, ledger.positions()) as reader:
            for batch in reader.batches(until_end=True):
                ledger.apply(batch)
        return ledger.verdicts()


def said_by(deployment: Deployment, models: Path, version: str, clicks: Sequence[Click]) -> dict[str, str]:
    """What a release says of the clicks, by the features and rules that were logged, one click after the other."""
    release, table = load_release(str(models), version), deployment.feature_table()
    by_id = {click.click_id: click for click in clicks}
    ids = table["click_id"].to_pylist()
    verdicts = decide(
        release,
        [by_id[click_id] for click_id in ids],
        scorer_for(release).score(features_of(table)),
        [tuple(rules) for rules in table["rules"].to_pylist()],
    )
    return dict(zip(ids, verdicts.verdict, strict=True))


def committed(deployment: Deployment) -> list[int]:
    """The live group's offsets."""
    consumer = Consumer({**deployment.kafka, "group.id": deployment.environment["SLIDR_GROUP"]})
    try:
        wanted = [TopicPartition(deployment.name(Topic.CLICKS), p) for p in range(deployment.partitions)]
        return [found.offset for found in consumer.committed(wanted, timeout=30)]
    finally:
        consumer.close()


def counters(redis_url: str) -> dict[bytes, Any]:
    """Everything in Redis that is a value of bytes."""
    with Redis.from_url(redis_url, socket_timeout=PATIENCE_S) as client:
        keys = sorted(key for key in client.scan_iter(count=10_000) if client.type(key) == b"string")
        return dict(zip(keys, client.mget(keys), strict=True))


def live(deployment: Deployment) -> list[Decision]:
    return [one for _, one in deployment.decisions() if one.run == LIVE]


@pytest.fixture
def models(deployment: Deployment) -> Path:
    return Path(deployment.environment["SLIDR_MODELS_URI"])


def test_a_faulty_models_decisions_are_corrected_to_those_of_the_good_one(
    deployment: Deployment, models: Path, redis_url: str, tmp_path: Path
) -> None:
    clicks = traffic(9_000)
    deployment.environment |= {"SLIDR_REPLAYS_URI": str(tmp_path / "replays"), "COLUMNS": "160"}
    worker = deployment.start_worker()
    deployment.wait(worker.ready)

    def slidr(*arguments: str) -> dict[str, Any]:
        done = deployment.slidr("replay", *arguments, "--json")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def serve(part: Sequence[Click]) -> None:
        deployment.send_clicks(part)
        deployment.wait_decided()

    serve(clicks[:3_000])
    teach_both(deployment, models)
    switch(deployment, "promote", "good")
    serve(clicks[3_000:5_000])
    bad_since_ms = time.time_ns() // 1_000_000
    switch(deployment, "promote", "faulty")
    serve(clicks[5_000:8_000])
    switch(deployment, "rollback")
    serve(clicks[8_000:])
    deployment.wait(lambda: committed(deployment) == deployment.end_offsets(Topic.CLICKS))
    offsets, counted, decided = committed(deployment), counters(redis_url), live(deployment)
    before = bill(deployment, tmp_path / "bill")

    plan = slidr("plan", "--from", show_time(bad_since_ms), "--model", "good")
    unchanged = live(deployment)
    outcome = slidr("run", plan["id"], "--local", "--publish", "--only-changed", "--direction", "both")

    good = said_by(deployment, models, "good", clicks)
    first_part = {click.click_id for click in clicks[:3_000]}  # decided before there was a model, and not replayed
    after = bill(deployment, tmp_path / "bill")
    assert {name: verdict for name, verdict in after.items() if name not in first_part} == {
        name: verdict for name, verdict in good.items() if name not in first_part
    }
    assert {name: after[name] for name in first_part} == {name: before[name] for name in first_part}
    flips = sum(after[name] != before[name] for name in after)
    assert outcome["written"] == flips > 300
    estimates = plan["outlook"]["invalidated"], plan["outlook"]["restored"]
    assert sum(one["low"] for one in estimates) <= flips <= sum(one["high"] for one in estimates)
    assert decided == unchanged == live(deployment)
    assert committed(deployment) == offsets
    assert counters(redis_url) == counted
    assert_counters_as_undisturbed(deployment, redis_url, clicks)
    found = deployment.conservation()
    assert found.holds, found
    assert worker.stop() == 0
