"""Releases are switched while workers run under load: no restart, one version a decision, one place of change."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer

from contracts import feature_log
from contracts.events import ReleaseEvent, WorkerStatus
from contracts.topics import Topic
from streams.release_admin import ReleaseLog
from tests.acceptance.deployment import Deployment, WorkerProcess, status_json
from tests.acceptance.test_faults import assert_conserved, skewed_clicks
from tests.builders import START_MS
from tests.releases import EVERYBODY, NOBODY, THRESHOLDS, write_small_release

# 100 million clicks a day.
CLICKS_PER_S = 1_157
SWITCHES = (("promote", NOBODY), ("shadow", EVERYBODY), ("promote", EVERYBODY), ("rollback",))


@pytest.fixture
def models(deployment: Deployment, tmp_path: Path) -> Path:
    """The model store of the deployment, with two releases of one small network."""
    models = tmp_path / "models"
    for version, threshold in THRESHOLDS.items():
        write_small_release(models, version, threshold)
    deployment.environment["SLIDR_MODELS_URI"] = str(models)
    return models


@contextmanager
def load(deployment: Deployment) -> Iterator[list[int]]:
    """Clicks at a steady rate for as long as the block lasts; the list has one entry for each that was sent."""
    stop, sent = threading.Event(), list[int]()

    def send() -> None:
        producer = Producer({**deployment.kafka, "linger.ms": 1})
        topic, started_s = deployment.name(Topic.CLICKS), time.monotonic()
        while not stop.wait(0.005):
            due = int((time.monotonic() - started_s) * CLICKS_PER_S)
            for click in skewed_clicks(due - len(sent), seed=len(sent)):
                producer.produce(topic, msgspec.json.encode(click), click.account_id, timestamp=click.clicked_at_ms)
                sent.append(len(sent))
            producer.poll(0)
        assert producer.flush(60) == 0

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield sent
    finally:
        stop.set()
        sender.join()


def start_workers(deployment: Deployment, count: int = 2, **settings: str) -> list[WorkerProcess]:
    workers = [deployment.start_worker(SLIDR_WORKER_ID=f"worker-{i}", **settings) for i in range(count)]
    deployment.wait(lambda: all(worker.ready() for worker in workers))
    return workers


def switch(deployment: Deployment, *arguments: str, code: int = 0, **environment: str) -> dict[str, Any]:
    """A switch by the command line; what it printed as JSON."""
    reason = [] if arguments[0] == "shadow" else ["--reason", "a test"]
    done = deployment.slidr(*arguments, *reason, "--json", **environment)
    assert done.returncode == code, done.stderr
    return {"said": done.stderr, **json.loads(done.stdout)}


def releases(deployment: Deployment) -> dict[str, Any]:
    return dict(json.loads(deployment.slidr("releases", "--json").stdout))


def versions(deployment: Deployment) -> dict[int, list[tuple[str, int]]]:
    """The versions that decided each partition, in order of offset, each with its first offset."""
    found: dict[int, list[tuple[int, str]]] = {p: [] for p in range(deployment.partitions)}
    for partition, decision in deployment.decisions():
        found[partition].append((decision.source_offset, decision.model_version))
    return {
        p: [(version, next(group)[0]) for version, group in groupby(sorted(rows), key=lambda row: row[1])]
        for p, rows in found.items()
    }


def test_promote_shadow_and_rollback_under_load_switch_each_partition_at_one_offset(
    deployment: Deployment, models: Path
) -> None:
    workers = start_workers(deployment)
    switched = []
    with load(deployment) as sent:
        for arguments in SWITCHES:
            decided = sum(worker.metric("slidr_clicks_total") for worker in workers)
            deployment.wait(
                lambda decided=decided: sum(w.metric("slidr_clicks_total") for w in workers) > decided + 1_000
            )
            switched.append(switch(deployment, *arguments))
        after = len(sent)
        deployment.wait(lambda: len(sent) > after + 1_000)
    deployment.wait_decided()

    assert_conserved(deployment, len(sent))
    starts = {p: dict(rows[:-1]) for p, rows in versions(deployment).items()}
    order = ["pass-through", NOBODY, EVERYBODY, NOBODY]
    assert {p: [version for version, _ in rows] for p, rows in versions(deployment).items()} == dict.fromkeys(
        range(deployment.partitions), order
    )
    for told, version in ((switched[0], NOBODY), (switched[2], EVERYBODY)):
        assert [status["worker_id"] for status in told["workers"]["done"]] == ["worker-0", "worker-1"]
        parts = [part for status in told["workers"]["done"] for part in status["partitions"]]
        assert {part["partition"]: part["release_from_offset"] for part in parts} == {
            p: rows[version] for p, rows in starts.items()
        }
    assert_shadowed(deployment, workers)


def assert_shadowed(deployment: Deployment, workers: list[WorkerProcess]) -> None:
    """Rows have the shadow that was in force, by its name, beside the decision that stands in `decisions`."""
    decided = {(p, d.source_offset): d.verdict for p, d in deployment.decisions()}
    seen = set()
    for message in deployment.read(Topic.FEATURE_LOG):
        headers = dict(message.headers())
        shadow = headers.get(feature_log.SHADOW_HEADER, b"").decode()
        for row in feature_log.decode(message.value(), headers).to_pylist():
            assert row["verdict"] == decided[row["source_partition"], row["source_offset"]]
            assert (row["shadow_score"] is not None) == bool(shadow)
            seen.add((row["model_version"], shadow, row["reason"] == "model", row["shadow_verdict"]))
    kinds = {(active, shadow) for active, shadow, *_ in seen}
    # A promotion's predecessor is its shadow; `pass-through` is none.
    assert kinds == {("pass-through", ""), (NOBODY, ""), (NOBODY, EVERYBODY), (EVERYBODY, NOBODY)}
    assert (NOBODY, EVERYBODY, False, "invalid") in seen
    assert (EVERYBODY, NOBODY, True, "valid") in seen
    assert sum(worker.metric("slidr_shadow_clicks_total{") for worker in workers) == sum(
        row["shadow_score"] is not None for row in deployment.feature_rows()
    )


def test_each_event_acted_upon_is_told_at_once_by_name_and_offset(deployment: Deployment, models: Path) -> None:
    (worker,) = start_workers(deployment, 1)
    log = ReleaseLog(deployment.kafka, deployment.name(Topic.MODEL_RELEASES), "pass-through")

    # Faster than the worker's regular reports follow each other.
    for offset, version in enumerate((NOBODY, EVERYBODY, NOBODY, EVERYBODY)):
        log.append(ReleaseEvent("promote", version, offset - 1, START_MS, "dana", "a test"))
        deployment.wait(lambda swaps=offset + 1: worker.metric("slidr_release_swaps_total") == swaps)
    assert worker.stop() == 0

    told = {}
    for message in deployment.read(Topic.WORKER_STATUS):
        status = msgspec.json.decode(message.value(), type=WorkerStatus)
        told[status.event_offset] = (status.release, status.shadow)
    assert told == {
        -1: ("pass-through", None),
        0: (NOBODY, None),
        1: (EVERYBODY, NOBODY),
        2: (NOBODY, EVERYBODY),
        3: (EVERYBODY, NOBODY),
    }


def test_a_worker_that_joins_finds_what_is_in_force_and_one_killed_goes_on_with_it(
    deployment: Deployment, models: Path
) -> None:
    first, *_ = start_workers(deployment, 1)
    assert deployment.slidr("promote", NOBODY, "--reason", "x").returncode == 0
    assert deployment.slidr("shadow", EVERYBODY).returncode == 0

    with load(deployment) as sent:
        joining = deployment.start_worker(SLIDR_WORKER_ID="joining")
        switched = switch(deployment, "promote", EVERYBODY)
        deployment.wait(joining.ready)
        deployment.wait(lambda: joining.metric("slidr_clicks_total") > 500)
        first.kill()
        again = deployment.start_worker(SLIDR_WORKER_ID="worker-0")
        deployment.wait(lambda: again.metric("slidr_clicks_total") > 500)
    deployment.wait_decided()

    assert_conserved(deployment, len(sent))
    workers = {status["worker_id"]: status for status in releases(deployment)["workers"]}
    assert set(workers) == {"worker-0", "joining"}
    for status in workers.values():
        assert (status["release"], status["shadow"]) == (EVERYBODY, NOBODY)
        assert status["event_offset"] == switched["offset"]
    for rows in versions(deployment).values():
        assert [version for version, _ in rows] in ([EVERYBODY], [NOBODY, EVERYBODY])


def test_a_model_store_that_is_away_keeps_nobody_from_deciding_or_from_going_back(
    deployment: Deployment, models: Path
) -> None:
    away = models.with_name("as-the-worker-sees-it")
    away.symlink_to(models)
    (worker,) = start_workers(deployment, 1, SLIDR_MODELS_URI=str(away))
    switch(deployment, "promote", NOBODY)
    away.unlink()
    away.symlink_to(away)

    waiting = switch(deployment, "promote", EVERYBODY, "--timeout-s", "2", code=3)
    deployment.send_clicks(skewed_clicks(500))
    deployment.wait_decided()
    back = switch(deployment, "rollback")
    switch(deployment, "promote", EVERYBODY, "--timeout-s", "1", code=3)
    away.unlink()
    away.symlink_to(models)
    deployment.wait(lambda: releases(deployment)["workers"][0]["release"] == EVERYBODY)

    assert "Event 1 stands, and 1 of 1 live worker(s) have not acted upon it" in waiting["said"]
    assert "does not answer" in waiting["said"]
    assert [status["release"] for status in back["workers"]["done"]] == [NOBODY]
    assert {version for rows in versions(deployment).values() for version, _ in rows} == {NOBODY}
    deployment.wait(worker.ready)


def test_a_release_that_does_not_load_leaves_the_old_one_serving_and_says_why(
    deployment: Deployment, models: Path
) -> None:
    damaged = models.with_name("as-the-worker-sees-it")
    for version, threshold in THRESHOLDS.items():
        write_small_release(damaged, version, threshold)
    (damaged / EVERYBODY / "model.onnx").write_bytes(b"tampered with")
    (worker,) = start_workers(deployment, 1, SLIDR_MODELS_URI=str(damaged))
    switch(deployment, "promote", NOBODY)

    failed = switch(deployment, "promote", EVERYBODY, code=2)
    deployment.send_clicks(skewed_clicks(500))
    deployment.wait_decided()
    (problem,) = status_json(worker)["problems"]
    assert worker.stop() == 0
    again = deployment.start_worker(SLIDR_MODELS_URI=str(damaged))
    deployment.send_clicks(skewed_clicks(500, seed=8))
    deployment.wait_decided()

    for told in (problem, failed["said"]):
        assert f"Release {EVERYBODY} could not be loaded, {NOBODY} goes on serving" in told
        assert "sha256" in told
    assert {version for rows in versions(deployment).values() for version, _ in rows} == {NOBODY}
    assert switch(deployment, "rollback")["after"]["active"] == NOBODY
    deployment.wait(again.ready)
