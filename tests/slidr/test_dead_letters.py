"""Parked records can be seen, and sent again."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Producer

from billing.log import open_consumer, scan, whole_log
from contracts.topics import Topic, topic_name
from slidr.servers import KafkaServer
from streams.dead_letters import MAX_PARKED_BYTES, park
from streams.records import BadRecord
from streams.topic_admin import create_topics
from tests.builders import START_MS, click
from tests.processes import run_slidr
from tests.streams.fakes import FakeRecord


def slidr(kafka: KafkaServer, prefix: str, folder: Path, *arguments: str) -> dict[str, Any]:
    settings = {"SLIDR_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "SLIDR_TOPIC_PREFIX": prefix}
    done = run_slidr(("dead-letters", *arguments, "--json"), {**os.environ, **settings}, folder)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_parked_records_are_listed_by_field_and_readable_ones_sent_again(
    kafka: KafkaServer, topic_prefix: str, tmp_path: Path
) -> None:
    config = {"bootstrap.servers": kafka.bootstrap_servers}
    create_topics(config, topic_prefix, 2, keep_forever=True)
    good = msgspec.json.encode(click())
    producer = Producer(config)
    parked = [(good, "$.device"), (b"x" * (MAX_PARKED_BYTES + 1), "$"), (b"still no click", "$")]
    for number, (payload, path) in enumerate(parked):
        value, headers = park(BadRecord(FakeRecord(number, payload), path, "a reason"), "clicks", 1)
        producer.produce(topic_name(Topic.DEAD_LETTERS, topic_prefix), value, partition=1, headers=headers)
    assert producer.flush(30) == 0

    listed = slidr(kafka, topic_prefix, tmp_path, "list")
    sent = slidr(kafka, topic_prefix, tmp_path, "retry")

    assert (listed["parked"], listed["by_path"]) == (3, {"$.device": 1, "$": 2})
    assert [entry["whole"] for entry in listed["latest"]] == [True, False, True]
    assert sent == {"sent": 1, "left_out": 2}
    consumer = open_consumer(config)
    clicks = topic_name(Topic.CLICKS, topic_prefix)
    records = [record for part in scan(consumer, clicks, whole_log(consumer, clicks)) for record in part]
    consumer.close()
    assert [(record.value(), record.timestamp()[1]) for record in records] == [(good, START_MS)]
