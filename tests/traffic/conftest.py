"""Topics for traffic of one's own on the shared Kafka, and what stands in them afterwards."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from contracts.topics import Topic, topic_name
from slidr.servers import KafkaServer

PARTITIONS = 3
WaitUntil = Callable[[Callable[[], object]], None]
# All records of the topic, in order within each partition.
ReadTopic = Callable[[Topic], list[Message]]


@pytest.fixture
def kafka_config(kafka: KafkaServer) -> dict[str, str]:
    return {"bootstrap.servers": kafka.bootstrap_servers}


@pytest.fixture
def traffic_prefix(kafka_config: dict[str, str], topic_prefix: str, wait_until: WaitUntil) -> str:
    """Prefix of new, empty topics `clicks` and `purchases` that keep records of any age."""
    admin = AdminClient(kafka_config)
    names = [topic_name(topic, topic_prefix) for topic in (Topic.CLICKS, Topic.PURCHASES)]
    made = admin.create_topics([NewTopic(name, PARTITIONS, 1, config={"retention.ms": "-1"}) for name in names])
    for future in made.values():
        future.result()
    wait_until(lambda: all(admin.list_topics(name).topics[name].error is None for name in names))
    return topic_prefix


@pytest.fixture
def read_topic(kafka_config: dict[str, str], traffic_prefix: str) -> ReadTopic:
    def read(topic: Topic) -> list[Message]:
        name = topic_name(topic, traffic_prefix)
        consumer = Consumer({**kafka_config, "group.id": "reader", "enable.partition.eof": True})
        consumer.assign([TopicPartition(name, partition, 0) for partition in range(PARTITIONS)])
        records: list[Message] = []
        ended = 0
        while ended < PARTITIONS:
            message = consumer.poll(10)
            assert message is not None, f"{name} could not be read to its end"
            if message.error():
                ended += 1
            else:
                records.append(message)
        consumer.close()
        return records

    return read


@pytest.fixture
def talkingdata_file() -> Path:
    """A slice of the real dataset, which is not part of the project."""
    beside_the_project = Path(__file__).parents[3] / "shared" / "data"
    path = Path(os.environ.get("TALKINGDATA_FOLDER", beside_the_project)) / "talkingdata_slice.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there; TALKINGDATA_FOLDER names its folder")
    return path
