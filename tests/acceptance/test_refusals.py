"""A worker that cannot do its work says why, and what to do, before it touches anything."""

import asyncio
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,  # type: ignore[attr-defined]
)
from pydantic import SecretStr

from contracts.errors import Unavailable
from contracts.topics import Topic
from model.manifest import SLICES, Training, thresholds_json
from model.release import Draft, write_release
from slidr.servers import KafkaServer
from slidr.servers.process import free_port
from slidr.settings import Settings
from slidr.wiring import build_worker
from streams import topic_admin
from tests.acceptance.conftest import MakeDeployment
from tests.acceptance.deployment import ENTITY_KEY, Deployment, WorkerProcess
from tests.builders import START_MS, click


def ended(worker: WorkerProcess) -> tuple[int, str]:
    """Exit code and what it said."""
    code = worker.process_ends_within(60)
    return code, worker.log.read_text()


def recreate(deployment: Deployment, topic: Topic, partitions: int = 4, **config: str) -> None:
    admin = AdminClient(deployment.kafka)
    name = deployment.name(topic)
    admin.delete_topics([name])[name].result()
    deployment.wait(lambda: name not in admin.list_topics(timeout=10).topics)
    settings = {"retention.ms": "-1", **config}
    admin.create_topics([NewTopic(name, partitions, 1, config=settings)])[name].result()


def test_all_wrong_settings_are_named_together(deployment: Deployment) -> None:
    worker = deployment.start_worker(
        SLIDR_REDIS_URL="http://redis", SLIDR_DEAD_LETTER_LIMIT_RATIO="7", SLIDR_ENTITY_KEY="short", SLIDR_GRUOP="x"
    )

    code, said = ended(worker)

    assert code == 2
    for name in ("SLIDR_REDIS_URL", "SLIDR_DEAD_LETTER_LIMIT_RATIO", "SLIDR_ENTITY_KEY", "SLIDR_GRUOP"):
        assert name in said
    assert "SLIDR_GROUP" in said
    assert "short" not in said
    assert "Traceback" not in said


def test_missing_topics_are_refused(deployment: Deployment) -> None:
    code, said = ended(deployment.start_worker(SLIDR_TOPIC_PREFIX="nowhere-"))

    assert (code, "Traceback" in said) == (2, False)
    assert "nowhere-decisions" in said
    assert "slidr topics create" in said


def test_fewer_partitions_of_decisions_than_of_clicks_are_refused(deployment: Deployment) -> None:
    recreate(deployment, Topic.DECISIONS, partitions=2)

    code, said = ended(deployment.start_worker())

    assert code == 2
    assert deployment.name(Topic.DECISIONS) in said


def test_compacted_decisions_are_refused(deployment: Deployment) -> None:
    name = deployment.name(Topic.DECISIONS)
    resource = ConfigResource(ResourceType.TOPIC, name, set_config={"cleanup.policy": "compact"})
    admin = AdminClient(deployment.kafka)
    next(iter(admin.alter_configs([resource]).values())).result()

    code, said = ended(deployment.start_worker())

    assert code == 2
    assert name in said
    assert "compact" in said


def test_a_recreated_clicks_topic_is_refused(
    kafka: KafkaServer, redis_url: str, make_deployment: MakeDeployment
) -> None:
    deployment = make_deployment(kafka, redis_url, partitions=1)
    first = deployment.start_worker()
    deployment.send_clicks([click(click_id=f"c{i}") for i in range(20)])
    deployment.wait_decided()
    assert first.stop() == 0

    recreate(deployment, Topic.CLICKS, partitions=1)
    deployment.send_clicks([click(click_id=f"d{i}") for i in range(40)])

    code, said = ended(deployment.start_worker())
    assert code == 2
    assert "was recreated" in said
    assert "Traceback" not in said


def test_a_release_with_an_unknown_feature_is_refused(deployment: Deployment, tmp_path: Path) -> None:
    models = tmp_path / "models"
    draft = Draft(
        onnx=b"never read",
        rules_json=b"{}",
        calibration_json=thresholds_json(dict.fromkeys(SLICES, 0.5)),
        feature_ids=("account_clicks_1m",),
        training=Training(START_MS, START_MS + 1, 1, 1),
        metrics={},
        created_at_ms=START_MS,
    )
    write_release(str(models), "m1", draft)
    manifest = models / "m1" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("account_clicks_1m", "moon_phase"))

    code, said = ended(deployment.start_worker(SLIDR_RELEASE="m1", SLIDR_MODELS_URI=str(models)))

    assert (code, "Traceback" in said) == (2, False)
    assert "moon_phase" in said


def test_an_unreachable_redis_is_exit_code_three(deployment: Deployment) -> None:
    address = f"127.0.0.1:{free_port()}"

    code, said = ended(deployment.start_worker(SLIDR_REDIS_URL=f"redis://{address}/0"))

    assert (code, "Traceback" in said) == (3, False)
    assert address in said


def test_an_unreachable_kafka_is_named_and_may_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_admin, "REQUEST_LIMIT_S", 1.0)
    address = f"127.0.0.1:{free_port()}"
    settings = Settings(kafka_bootstrap_servers=address, entity_key=SecretStr(ENTITY_KEY))

    with pytest.raises(Unavailable, match=address):
        asyncio.run(build_worker(settings))


def test_a_taken_port_for_health_is_refused(deployment: Deployment) -> None:
    first = deployment.start_worker()
    deployment.wait(first.ready)

    second = deployment.start_worker(port=first.port)

    code, said = ended(second)
    assert (code, "Traceback" in said) == (2, False)
    assert "SLIDR_METRICS_PORT" in said
