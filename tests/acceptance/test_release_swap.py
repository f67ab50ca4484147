"""A release event swaps the model between batches: no restart, one version a decision, one place of change."""

from itertools import groupby
from pathlib import Path

import msgspec
import numpy as np
import pytest
from confluent_kafka import Producer

from contracts.events import ReleaseAction, ReleaseEvent
from contracts.features import FEATURE_IDS, FEATURES
from contracts.topics import Topic
from model.export import export
from model.manifest import SLICES, Training, thresholds_json
from model.network import RobotNetwork
from model.release import Draft, write_release
from rules.ruleset import RuleSet
from tests.acceptance.deployment import Deployment, status_json
from tests.acceptance.test_faults import assert_conserved, skewed_clicks
from tests.builders import START_MS
from tests.model.labelled import fitted


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A model store with two releases, `calls-nobody` and `calls-everybody`, of one small network."""
    table = np.random.default_rng(1).lognormal(1, 1, (300, len(FEATURES))).astype(np.float32)
    onnx = export(RobotNetwork(fitted(table, FEATURE_IDS), seed=1), table, FEATURE_IDS)
    for version, threshold in (("calls-nobody", 2.0), ("calls-everybody", 0.0)):
        draft = Draft(
            onnx=onnx,
            rules_json=RuleSet.default().to_json(),
            calibration_json=thresholds_json(dict.fromkeys(SLICES, threshold)),
            feature_ids=FEATURE_IDS,
            training=Training(START_MS, START_MS + 1, 300, 1),
            metrics={},
            created_at_ms=START_MS,
        )
        write_release(str(tmp_path / "models"), version, draft)
    return tmp_path / "models"


def announce(deployment: Deployment, action: ReleaseAction, version: str, replaces_offset: int) -> None:
    producer = Producer(deployment.kafka)
    event = ReleaseEvent(action, version, replaces_offset, START_MS, "dana", "a test")
    producer.produce(deployment.name(Topic.MODEL_RELEASES), msgspec.json.encode(event))
    assert producer.flush(30) == 0


def versions(deployment: Deployment) -> dict[int, list[str]]:
    """The versions that decided each partition, in order of offset, repetitions left out."""
    found: dict[int, list[tuple[int, str]]] = {p: [] for p in range(deployment.partitions)}
    for partition, decision in deployment.decisions():
        found[partition].append((decision.source_offset, decision.model_version))
    return {p: [version for version, _ in groupby(v for _, v in sorted(rows))] for p, rows in found.items()}


def test_a_promotion_and_a_rollback_take_effect_at_one_offset_of_each_partition(
    deployment: Deployment, models: Path
) -> None:
    clicks = skewed_clicks(9_000)
    settings = {"SLIDR_MODELS_URI": str(models), "SLIDR_RELEASE": "calls-nobody"}
    workers = [deployment.start_worker(**settings) for _ in range(2)]
    deployment.wait(lambda: all(worker.ready() for worker in workers))

    deployment.send_clicks(clicks[:3_000])
    deployment.wait_decided()
    announce(deployment, "promote", "calls-everybody", -1)
    deployment.wait(lambda: all(worker.metric("slidr_release_swaps_total") == 1 for worker in workers))
    deployment.send_clicks(clicks[3_000:6_000])
    deployment.wait_decided()
    announce(deployment, "rollback", "calls-nobody", 0)
    announce(deployment, "promote", "calls-everybody", 0)  # void: the rollback was first
    deployment.wait(lambda: all(worker.metric("slidr_release_swaps_total") == 2 for worker in workers))
    deployment.send_clicks(clicks[6_000:])
    deployment.wait_decided()

    assert_conserved(deployment, 9_000)
    there_and_back = ["calls-nobody", "calls-everybody", "calls-nobody"]
    assert versions(deployment) == dict.fromkeys(range(deployment.partitions), there_and_back)
    model_verdicts = {
        (decision.model_version, decision.verdict)
        for _, decision in deployment.decisions()
        if decision.reason in ("model", "none")
    }
    assert model_verdicts == {("calls-nobody", "valid"), ("calls-everybody", "invalid")}


def test_a_release_that_does_not_load_leaves_the_old_one_serving_and_says_why(
    deployment: Deployment, models: Path
) -> None:
    (models / "calls-everybody" / "model.onnx").write_bytes(b"tampered with")
    worker = deployment.start_worker(SLIDR_MODELS_URI=str(models), SLIDR_RELEASE="calls-nobody")
    deployment.wait(worker.ready)

    announce(deployment, "promote", "calls-everybody", -1)
    deployment.wait(lambda: worker.metric("slidr_release_load_failures_total") == 1)
    deployment.send_clicks(skewed_clicks(500))
    deployment.wait_decided()

    assert {version for rows in versions(deployment).values() for version in rows} == {"calls-nobody"}
    (problem,) = status_json(worker)["problems"]
    assert "calls-everybody" in problem
    assert "sha256" in problem
