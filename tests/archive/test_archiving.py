"""The archiver on a real Kafka: killed at any moment, topics made anew, records that expired, two at once."""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from archive.reader import ArchiveReader
from contracts.topics import Topic, topic_name
from slidr import archiving
from slidr.servers import KafkaServer
from slidr.settings import Settings
from streams.archiving import FlushRule
from streams.topic_admin import TopicAdmin, create_topics
from tests.archive.doubles import ALWAYS, KEY, FakeRecord, click_record, features_record, purchase_record
from tests.builders import START_MS, decision
from tests.conftest import WaitUntil
from tests.processes import SlidrProcess, run_slidr, start_slidr

PARTITIONS = 2
ALL_TOPICS = (Topic.CLICKS, Topic.PURCHASES, Topic.FEATURE_LOG, Topic.DECISIONS)


class Deployment:
    """Topics of a test, an archive, and `slidr archive` as a process."""

    def __init__(self, kafka: KafkaServer, prefix: str, folder: Path) -> None:
        self.prefix = prefix
        self._folder = folder
        self.config = {"bootstrap.servers": kafka.bootstrap_servers}
        self.uri = str(folder / "archive")
        self._producer = Producer({**self.config, "enable.idempotence": True})
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SLIDR_")},
            "SLIDR_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "SLIDR_TOPIC_PREFIX": prefix,
            "SLIDR_ENTITY_KEY": KEY,
            "SLIDR_ARCHIVE_URI": self.uri,
            "XDG_STATE_HOME": str(folder / "state"),
        }
        create_topics(self.config, prefix, PARTITIONS, keep_forever=True)

    def name(self, topic: Topic) -> str:
        return topic_name(topic, self.prefix)

    def send(self, topic: Topic, records: Iterable[FakeRecord]) -> None:
        """Every second record goes to the other partition; the numbers in them stay as they are."""
        for record in records:
            self._producer.produce(
                self.name(topic), record.value(), partition=record.offset() % PARTITIONS, headers=record.headers()
            )
        assert self._producer.flush(30) == 0

    def settings(self) -> Settings:
        return Settings(
            kafka_bootstrap_servers=self.config["bootstrap.servers"],
            topic_prefix=self.prefix,
            entity_key=SecretStr(KEY),
            archive_uri=self.uri,
        )

    def start(self, *arguments: str) -> SlidrProcess:
        return start_slidr(("archive", *arguments), self._environment, self._folder)

    def archive(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code and both outputs of `slidr archive`."""
        done = run_slidr(("archive", *arguments), self._environment, self._folder)
        return done.returncode, done.stdout, done.stderr

    def catch_up(self, *arguments: str) -> None:
        code, _, err = self.archive("--until-caught-up", *arguments)
        assert code == 0, err

    def rows(self) -> int:
        """Rows of all topics that a reader sees."""
        return sum(ArchiveReader(self.uri).coverage(topic).rows for topic in ALL_TOPICS)

    def archived(self, topic: Topic, column: str) -> Counter[object]:
        table = ArchiveReader(self.uri).batches(topic, *ALWAYS, [column]).read_all()
        return Counter(table[column].to_pylist())


@pytest.fixture
def deployment(kafka: KafkaServer, topic_prefix: str, tmp_path: Path) -> Deployment:
    return Deployment(kafka, topic_prefix, tmp_path)


def decision_record(number: int) -> FakeRecord:
    return FakeRecord(number, msgspec.json.encode(decision(click_id=f"click-{number}")))


def test_killed_at_any_moment_every_row_of_every_topic_is_archived_exactly_once(
    deployment: Deployment, wait_until: WaitUntil
) -> None:
    chance, sent = random.Random(7), 0

    def send(count: int) -> None:
        nonlocal sent
        numbers = range(sent, sent + count)
        hours = {number: START_MS + number % 3 * 3_600_000 for number in numbers}
        deployment.send(Topic.CLICKS, [click_record(n, clicked_at_ms=hours[n]) for n in numbers])
        deployment.send(Topic.PURCHASES, [purchase_record(n, purchased_at_ms=hours[n]) for n in numbers])
        deployment.send(Topic.FEATURE_LOG, [features_record(n, rows=2, first_row=2 * n) for n in numbers])
        deployment.send(Topic.DECISIONS, map(decision_record, numbers))
        sent += count

    killed_at_work = 0
    for _ in range(5):
        send(400)
        with deployment.start("--flush-rows", "50", "--flush-s", "0.05") as process:
            begun = commits(deployment) + len(ALL_TOPICS)
            wait_until(lambda least=begun: commits(deployment) > least)
            time.sleep(chance.random() * 0.3)  # any moment
            process.kill()
        killed_at_work += deployment.rows() < 5 * sent

    deployment.catch_up("--flush-rows", "300")

    assert killed_at_work >= 2
    ids = {f"click-{number}" for number in range(sent)}
    assert deployment.archived(Topic.CLICKS, "click_id") == dict.fromkeys(ids, 1)
    assert deployment.archived(Topic.DECISIONS, "click_id") == dict.fromkeys(ids, 1)
    assert deployment.archived(Topic.PURCHASES, "purchase_id") == {f"purchase-{n}": 1 for n in range(sent)}
    assert deployment.archived(Topic.FEATURE_LOG, "source_offset") == dict.fromkeys(range(2 * sent), 1)


def commits(deployment: Deployment) -> int:
    return len(list(Path(deployment.uri).glob("*/_log/*/0*.json")))


def test_what_cannot_be_read_and_marks_of_transactions_add_up(deployment: Deployment) -> None:
    producer = Producer({**deployment.config, "transactional.id": deployment.prefix})
    producer.init_transactions(30)
    for number, ends in enumerate([producer.commit_transaction, producer.abort_transaction]):
        producer.begin_transaction()
        producer.produce(deployment.name(Topic.CLICKS), click_record(number).value(), partition=0)
        producer.flush(30)
        ends(30)
    deployment.send(Topic.CLICKS, [FakeRecord(0, b"rubbish"), click_record(4)])

    code, out, _ = deployment.archive("--until-caught-up", "--json")
    status = json.loads(deployment.archive("status", "--json")[1])

    (clicks,) = (topic for topic in status["topics"] if topic["topic"] == "clicks")
    (part,) = (part for part in clicks["partitions"] if part["partition"] == 0)
    assert (code, json.loads(out)) == (0, {"rows": 2, "skipped": 1, "files": 1})
    # A record and a mark; an aborted record, which counts for nothing, and a mark; rubbish; a click.
    assert (part["end_offset"], part["records"], part["skipped"], part["without_record"]) == (6, 2, 1, 3)
    assert deployment.archived(Topic.CLICKS, "click_id") == {"click-0": 1, "click-4": 1}
    assert deployment.archive("verify")[0] == 0
    assert "clicks[0]" in deployment.archive("status")[1]


def test_a_topic_that_was_made_anew_is_refused(deployment: Deployment, wait_until: WaitUntil) -> None:
    deployment.send(Topic.PURCHASES, map(purchase_record, range(4)))
    deployment.catch_up()
    client, name = AdminClient(deployment.config), deployment.name(Topic.PURCHASES)
    client.delete_topics([name])[name].result(30)
    wait_until(lambda: TopicAdmin(deployment.config).describe(deployment.prefix)[Topic.PURCHASES] is None)
    create_topics(deployment.config, deployment.prefix, PARTITIONS, keep_forever=True)
    deployment.send(Topic.PURCHASES, map(purchase_record, range(10, 20)))

    code, _, told = deployment.archive("--until-caught-up")

    assert code == 2
    assert "the topic was recreated" in told
    assert "Traceback" not in told
    assert deployment.archived(Topic.PURCHASES, "purchase_id").total() == 4


def test_records_that_expired_are_refused_until_the_gap_is_accepted_and_then_on_record(
    deployment: Deployment,
) -> None:
    deployment.send(Topic.CLICKS, [click_record(2 * n) for n in range(4)])
    deployment.catch_up()
    deployment.send(Topic.CLICKS, [click_record(2 * n) for n in range(4, 10)])
    expired = TopicPartition(deployment.name(Topic.CLICKS), 0, 7)
    client = AdminClient(deployment.config)
    for future in client.delete_records([expired]).values():
        future.result(30)

    code, _, told = deployment.archive("--until-caught-up")
    deployment.catch_up("--skip-expired")

    assert code == 1
    assert f"Offsets 4 to 6 of {deployment.name(Topic.CLICKS)}[0] expired" in told
    assert deployment.archived(Topic.CLICKS, "source_offset") == dict.fromkeys([0, 1, 2, 3, 7, 8, 9], 1)
    assert "Gap: offsets 4 to 6 of clicks[0]" in deployment.archive("status")[1]


def test_closed_hours_are_merged_beside_the_writing_and_a_damaged_file_stops_no_writing(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "COMPACT_EVERY_MS", 0)
    monkeypatch.setattr(archiving, "LEAST_FILES_TO_MERGE", 2)
    for first in (0, 10):
        deployment.send(Topic.CLICKS, map(click_record, range(first, first + 10)))
        deployment.send(Topic.PURCHASES, map(purchase_record, range(first, first + 10)))
        deployment.catch_up()
    damaged = next(Path(deployment.uri).glob("purchases/date=*/hour=*/*.parquet"))
    damaged.write_bytes(b"")
    deployment.send(Topic.DECISIONS, [decision_record(0)])

    run = archiving.run_archiver(
        deployment.settings(),
        FlushRule(),
        until_caught_up=True,
        skip_expired=False,
        stopped=lambda: False,
        on_progress=lambda _: None,
    )

    reader = ArchiveReader(deployment.uri)
    assert run.rows == 1
    assert [reader.coverage(topic).files for topic in (Topic.CLICKS, Topic.PURCHASES)] == [1, 2]
    assert deployment.archived(Topic.CLICKS, "click_id") == {f"click-{n}": 1 for n in range(20)}


def test_of_two_archivers_the_first_stops_with_a_sentence(deployment: Deployment, wait_until: WaitUntil) -> None:
    with deployment.start("--flush-s", "0.05") as first:
        wait_until(lambda: commits(deployment) >= len(ALL_TOPICS))
        with deployment.start("--flush-s", "0.05") as second:
            wait_until(lambda: commits(deployment) >= 2 * len(ALL_TOPICS))
            deployment.send(Topic.CLICKS, map(click_record, range(50)))
            first.wait(60)
            wait_until(lambda: deployment.archived(Topic.CLICKS, "click_id").total() >= 50)
            second.send_signal(signal.SIGTERM)
            second.wait(60)

    assert (first.returncode, second.returncode) == (1, 0)
    assert "Another archiver has taken over clicks" in first.stderr.read_text()
    assert "50 rows archived" in second.stdout.read_text()
    assert deployment.archived(Topic.CLICKS, "click_id") == {f"click-{n}": 1 for n in range(50)}
