"""`slidr promote`, `rollback`, `shadow`, `releases` on a real Kafka: what is refused, what stands, what is shown."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from billing import log
from contracts.errors import Unavailable
from contracts.events import PartitionStatus, WorkerStatus
from contracts.topics import Topic, topic_name
from contracts.verdicts import GuardrailVerdict
from slidr import logs
from slidr.commands import app
from slidr.servers import KafkaServer
from slidr.servers.process import free_port
from streams.topic_admin import create_topics
from streams.worker_watch import SILENT_MS, WorkerWatch
from tests.builders import START_MS
from tests.processes import run_slidr
from tests.releases import judge_by_guardrails, write_small_release

Ran = Callable[..., "subprocess.CompletedProcess[str]"]
BLOCKED = GuardrailVerdict("fpr", "blocked", "FPR is 9 %, allowed are 5 %.", "Calibrate again.", "tablet", 9, 5)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for version in ("a", "b"):
        write_small_release(tmp_path / "models", version)
    return tmp_path / "models"


@pytest.fixture
def slidr(kafka: KafkaServer, topic_prefix: str, models: Path, tmp_path: Path) -> Ran:
    """`slidr("promote", "a", ...)`: the finished command, against topics without workers."""
    create_topics({"bootstrap.servers": kafka.bootstrap_servers}, topic_prefix, 1)
    settings = {
        "SLIDR_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "SLIDR_TOPIC_PREFIX": topic_prefix,
        "SLIDR_MODELS_URI": str(models),
    }

    def run(*arguments: str, **changed: str) -> "subprocess.CompletedProcess[str]":
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SLIDR_")}
        return run_slidr(arguments, {**environment, **settings, **changed}, tmp_path)

    return run


def shown(slidr: Ran) -> dict[str, Any]:
    done = slidr("releases", "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_the_history_says_who_when_why_and_from_what_to_what(slidr: Ran) -> None:
    for arguments in (
        ("promote", "a", "--reason", "week 1", "--by", "dana"),
        ("promote", "b", "--reason", "week 2", "--by", "eve"),
        ("shadow", "--off", "--by", "eve"),
        ("rollback", "--reason", "b is bad", "--by", "dana"),
    ):
        done = slidr(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert "No worker is running" in done.stdout

    found, text = shown(slidr), slidr("releases").stdout
    assert found["in_force"] == {"active": "a", "shadow": None, "offset": 3}
    assert (found["last_stable"], found["versions"]) == ("pass-through", ["a", "b"])
    steps = [
        (e["event"]["by"], e["event"]["reason"], e["before"]["active"], e["after"]["active"], e["after"]["shadow"])
        for e in found["history"]
    ]
    assert steps == [
        ("dana", "week 1", "pass-through", "a", None),
        ("eve", "week 2", "a", "b", "a"),
        ("eve", "", "b", "b", None),
        ("dana", "b is bad", "b", "a", None),
    ]
    for told in ("a decides", "pass-through → a", "a → b, shadow a", "a → none", "dana: b is bad", "Workers: none"):
        assert told in text


def test_what_cannot_be_loaded_here_is_not_promoted(slidr: Ran, models: Path) -> None:
    (models / "a" / "rules.json").write_text("{}")
    manifest = models / "b" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("account_clicks_1m", "moon_phase"))

    tampered, unknown, missing = (slidr("promote", version, "--reason", "x") for version in ("a", "b", "c"))

    assert [done.returncode for done in (tampered, unknown, missing)] == [2, 2, 2]
    assert "rules.json has sha256" in tampered.stderr
    assert "moon_phase" in unknown.stderr
    assert "Releases there: a, b, pass-through" in missing.stderr
    assert shown(slidr)["history"] == []


def test_a_blocked_release_is_promoted_only_if_that_was_overridden(slidr: Ran, models: Path) -> None:
    judge_by_guardrails(models, "a", (BLOCKED,))
    judge_by_guardrails(models, "b", (BLOCKED,), override="the sale needs it")

    blocked, shadowed = slidr("promote", "a", "--reason", "x"), slidr("shadow", "a")
    overridden = slidr("promote", "b", "--reason", "x")

    assert (blocked.returncode, shadowed.returncode, overridden.returncode) == (1, 0, 0)
    assert "fpr: FPR is 9 %, allowed are 5 %. Calibrate again." in blocked.stderr
    assert [entry["event"]["action"] for entry in shown(slidr)["history"]] == ["shadow", "promote"]


def test_pass_through_needs_no_model_store(slidr: Ran, tmp_path: Path) -> None:
    away = {"SLIDR_MODELS_URI": str(loop(tmp_path / "loop"))}
    assert slidr("promote", "a", "--reason", "x").returncode == 0

    unavailable = slidr("promote", "b", "--reason", "x", **away)
    emergency = slidr("rollback", "pass-through", "--reason", "x", **away)
    listed = slidr("releases", **away)

    assert (unavailable.returncode, emergency.returncode, listed.returncode) == (3, 0, 3)
    assert "does not answer" in unavailable.stderr
    assert "a → pass-through" in listed.stdout


def test_a_rollback_goes_to_the_shadow_while_the_model_store_is_away(slidr: Ran, tmp_path: Path) -> None:
    for version in ("a", "b"):
        assert slidr("promote", version, "--reason", "x").returncode == 0
    away = {"SLIDR_MODELS_URI": str(loop(tmp_path / "loop"))}

    done = slidr("rollback", "--reason", "x", **away)

    assert (done.returncode, shown(slidr)["in_force"]["active"]) == (0, "a")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["rollback", "--reason", "x"], 1, "nothing to roll back to"),
        (["rollback", "a", "--reason", "x"], 1, "a was never active"),
        (["shadow", "--off"], 1, "No shadow is set"),
        (["shadow", "pass-through"], 1, "nothing to compare"),
        (["shadow"], 2, "one of the two"),
        (["shadow", "a", "--off"], 2, "one of the two"),
        (["promote", "a"], 2, "--reason"),
        (["promote", "a", "--reason", " "], 2, "--reason is empty"),
        (["promote", "../a", "--reason", "x"], 2, "cannot be the version of a release"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(slidr: Ran, arguments: list[str], code: int, told: str) -> None:
    done = slidr(*arguments)

    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert told in done.stderr


def test_a_rollback_to_a_release_that_was_damaged_is_refused_and_names_a_way_out(slidr: Ran, models: Path) -> None:
    for version in ("a", "b"):
        assert slidr("promote", version, "--reason", "x").returncode == 0
    (models / "a" / "model.onnx").write_bytes(b"no model")

    done = slidr("rollback", "--reason", "x")

    assert done.returncode == 1
    assert "sha256" in done.stderr
    assert "slidr rollback pass-through" in done.stderr


def test_without_kafka_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "PATIENCE_S", 0.5)
    monkeypatch.setattr(logs, "log_to_stderr", lambda: None)  # of this process, where it would outlive the test
    address = f"127.0.0.1:{free_port()}"

    done = CliRunner().invoke(app, ["releases"], env={"SLIDR_KAFKA_BOOTSTRAP_SERVERS": address})

    assert isinstance(done.exception, Unavailable)


def test_only_workers_that_speak_are_waited_for(kafka: KafkaServer, topic_prefix: str) -> None:
    config = {"bootstrap.servers": kafka.bootstrap_servers}
    create_topics(config, topic_prefix, 1, keep_forever=True)
    topic = topic_name(Topic.WORKER_STATUS, topic_prefix)
    now_ms = START_MS + 3_600_000
    producer = Producer(config)

    def say(worker_id: str, at_ms: int, *, stopped: bool = False) -> None:
        partitions = (PartitionStatus(0, 5, 0, None),)
        status = WorkerStatus(worker_id, at_ms, True, "a", partitions, (), stopped, 7)
        producer.produce(topic, msgspec.json.encode(status), worker_id, timestamp=at_ms)
        assert producer.flush(30) == 0

    say("speaks", now_ms - SILENT_MS + 1)
    say("silent", now_ms - SILENT_MS)
    say("long-gone", START_MS)
    say("stopped", now_ms, stopped=True)
    with WorkerWatch(config, topic, now_ms) as watch:
        assert [status.worker_id for status in watch.live(now_ms)] == ["speaks"]

        say("clock-is-wrong", now_ms - 100_000)
        while len(watch.live(now_ms)) < 2:
            watch.read(0.1, now_ms)
        assert [status.worker_id for status in watch.live(now_ms)] == ["clock-is-wrong", "speaks"]
        assert watch.live(now_ms + SILENT_MS) == []


def loop(path: Path) -> Path:
    """A path whose file system answers with an error that may pass."""
    path.symlink_to(path)
    return path


def test_pruning_keeps_the_newest_and_whatever_is_in_use(
    slidr: Ran, models: Path, kafka: KafkaServer, topic_prefix: str
) -> None:
    for version in ("c", "d", "e", "f"):
        write_small_release(models, version)
    for version in ("a", "b", "c"):
        assert slidr("promote", version, "--reason", "a week").returncode == 0
    status = WorkerStatus("w", time.time_ns() // 1_000_000, True, "d", (), ())
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    producer.produce(topic_name(Topic.WORKER_STATUS, topic_prefix), msgspec.json.encode(status), "w")
    producer.flush()

    done = slidr("releases", "prune", "--keep", "1", "--json")

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"removed": ["a", "e"], "remains": []}
    assert shown(slidr)["versions"] == ["b", "c", "d", "f"]
