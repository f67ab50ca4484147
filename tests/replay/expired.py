"""Archives the logs of a test's deployment, and deletes their records from Kafka as retention does."""

from collections.abc import Mapping

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from contracts.topics import Topic
from slidr.archiving import run_archiver
from slidr.settings import Settings
from streams.archiving import FlushRule
from tests.replay.logged import Logged

BOTH = (Topic.FEATURE_LOG, Topic.DECISIONS)


def archive_now(logged: Logged, *, skip_expired: bool = False) -> None:
    """All that Kafka holds, in many small files."""
    settings = Settings(
        kafka_bootstrap_servers=logged.kafka["bootstrap.servers"],
        topic_prefix=logged.prefix,
        entity_key=SecretStr("a secret of the tests"),
        archive_uri=logged.environment["SLIDR_ARCHIVE_URI"],
    )
    run_archiver(
        settings, FlushRule(rows=400), until_caught_up=True, skip_expired=skip_expired,
        stopped=lambda: False, on_progress=lambda progress: None,
    )  # fmt: skip


def expire(logged: Logged, topic: Topic, before: Mapping[int, int]) -> None:
    """Delete the records before an offset, by partition; -1: all."""
    places = [TopicPartition(f"{logged.prefix}{topic}", partition, offset) for partition, offset in before.items()]
    admin = AdminClient(logged.kafka)  # it answers only while it is held
    for future in admin.delete_records(places).values():
        future.result(timeout=30)


def expire_all(logged: Logged) -> None:
    """Both logs of both partitions."""
    for topic in BOTH:
        expire(logged, topic, dict.fromkeys(range(logged.partitions), -1))
