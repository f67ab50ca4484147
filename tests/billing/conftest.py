"""A `decisions` topic of one's own on the shared Kafka, and a way to write records to it."""

from collections.abc import Callable, Iterable

import msgspec
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from contracts.events import Decision
from contracts.topics import Topic, topic_name
from slidr.servers import KafkaServer

WaitUntil = Callable[[Callable[[], object]], None]
# Appends records to the partitions that they name, in their order.
WriteDecisions = Callable[[Iterable[Decision]], None]


@pytest.fixture
def kafka_config(kafka: KafkaServer) -> dict[str, str]:
    return {"bootstrap.servers": kafka.bootstrap_servers}


@pytest.fixture
def decisions_topic(kafka_config: dict[str, str], topic_prefix: str, wait_until: WaitUntil) -> str:
    """Name of a new, empty topic of three partitions."""
    topic = topic_name(Topic.DECISIONS, topic_prefix)
    admin = AdminClient(kafka_config)
    admin.create_topics([NewTopic(topic, 3, 1)])[topic].result()
    wait_until(lambda: len(admin.list_topics(topic).topics[topic].partitions) == 3)
    return topic


@pytest.fixture
def write_decisions(kafka_config: dict[str, str], decisions_topic: str) -> WriteDecisions:
    def write(decisions: Iterable[Decision]) -> None:
        # Idempotent as the worker's: a retry must not change the order of the log.
        producer = Producer({**kafka_config, "enable.idempotence": True})
        for decision in decisions:
            producer.produce(decisions_topic, msgspec.json.encode(decision), partition=decision.source_partition)
        assert producer.flush(30) == 0

    return write
