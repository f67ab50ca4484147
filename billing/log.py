"""Reading stretches of a Kafka topic by offset, outside any consumer group: nothing is committed, nobody disturbed."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from contracts.errors import Misconfigured, SlidrError, Unavailable

# How long a request, or a read of records that exist, may make no progress before the server counts as unavailable.
PATIENCE_S = 30.0
_FETCH_AT_MOST = 5000
# These stay until somebody does something.
_OPERATOR_ERRORS = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,
    KafkaError._INVALID_ARG,
    KafkaError.OFFSET_OUT_OF_RANGE,
    KafkaError._AUTO_OFFSET_RESET,
}
_LEADER_CHANGES = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
}
_ASK_AGAIN_S = 0.1
T = TypeVar("T")


class Stretch(NamedTuple):
    """Offsets `first` up to, not including, `end` of one partition."""

    first: int
    end: int


class Fetched(NamedTuple):
    """Records in order within each partition, and for partitions read to their end, the end's offset."""

    records: list[Message]
    ends: dict[int, int]


def open_consumer(config: Mapping[str, Any]) -> Consumer:
    """Consumer for `assign()`. `config` holds librdkafka's connection settings (`bootstrap.servers`, security)."""
    settings = {
        "group.id": "slidr-reader",  # required by the client, never joined
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 100,
        "fetch.queue.backoff.ms": 10,
        "log_level": 2,  # what goes wrong is raised, with a sentence
    }
    with translating("Kafka settings"):
        return Consumer({**settings, **config})


@contextmanager
def translating(where: str) -> Iterator[None]:
    """Raise the Kafka client's exceptions as ours."""
    try:
        yield
    except KafkaException as error:
        raise _translated(error.args[0], where) from error


def _translated(error: KafkaError, where: str) -> SlidrError:
    """What an operator must change, or what may pass by itself."""
    if error.code() in _OPERATOR_ERRORS:
        return Misconfigured(
            f"{where}: Kafka answers {error.name()} ({error.str()}). Check the topic, its rights and the settings."
        )
    return Unavailable(f"{where}: Kafka answers {error.name()} ({error.str()}). Check that the brokers can be reached.")


def partitions_of(consumer: Consumer, topic: str) -> list[int]:
    """Numbers of the topic's partitions. Raises Misconfigured if there is no such topic, Unavailable."""

    def ask() -> list[int]:
        found = consumer.list_topics(topic, timeout=PATIENCE_S).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return sorted(found.partitions)

    return patiently(topic, ask)


def whole_log(consumer: Consumer, topic: str) -> dict[int, Stretch]:
    """What the topic holds now, by partition."""

    def ask(partition: int) -> Stretch:
        return Stretch(*consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=PATIENCE_S))

    return {partition: patiently(topic, partial(ask, partition)) for partition in partitions_of(consumer, topic)}


def offsets_at(consumer: Consumer, topic: str, at_ms: int) -> dict[int, int]:
    """First offset of each partition whose record is not older than `at_ms` (its end, if there is none)."""
    held = whole_log(consumer, topic)
    wanted = [TopicPartition(topic, partition, at_ms) for partition in held]
    found = patiently(topic, lambda: consumer.offsets_for_times(wanted, timeout=PATIENCE_S))
    return {tp.partition: tp.offset if tp.offset >= 0 else held[tp.partition].end for tp in found}


def patiently(topic: str, ask: Callable[[], T]) -> T:
    """Ask again while a partition's leader changes, as it does when brokers restart one after another."""
    deadline_s = time.monotonic() + PATIENCE_S
    with translating(f"Topic {topic}"):
        while True:
            try:
                return ask()
            except KafkaException as error:
                if error.args[0].code() not in _LEADER_CHANGES or time.monotonic() > deadline_s:
                    raise
                time.sleep(_ASK_AGAIN_S)


def assign(consumer: Consumer, topic: str, offsets: Mapping[int, int]) -> None:
    """Read from these offsets on."""
    consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in offsets.items()])


def fetch(consumer: Consumer, topic: str, timeout_s: float = 0.1) -> Fetched:
    """What has arrived, possibly nothing. Raises for errors that stay; the client retries the others by itself."""
    # consume(n, t) would wait the whole t unless n arrive.
    with translating(f"Topic {topic}"):
        first = consumer.poll(timeout_s)
        messages = [] if first is None else [first, *consumer.consume(_FETCH_AT_MOST, 0)]
    fetched = Fetched([], {})
    for message in messages:
        error = message.error()
        if error is None:
            fetched.records.append(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            partition, offset = place(message)
            fetched.ends[partition] = offset
        elif error.fatal() or error.code() in _OPERATOR_ERRORS:
            raise _translated(error, f"Topic {topic}, partition {message.partition()}")
    return fetched


def place(record: Message) -> tuple[int, int]:
    """Partition and offset."""
    return cast(int, record.partition()), cast(int, record.offset())


def scan(consumer: Consumer, topic: str, stretches: Mapping[int, Stretch]) -> Iterator[list[Message]]:
    """All records of the stretches, in order within each partition. Raises Unavailable when none come in time."""
    open_ends = {partition: stretch.end for partition, stretch in stretches.items() if stretch.first < stretch.end}
    assign(consumer, topic, {partition: stretches[partition].first for partition in open_ends})
    progress_at_s = time.monotonic()
    while open_ends:
        fetched = fetch(consumer, topic)
        records = [record for record in fetched.records if _is_before(open_ends, *place(record))]
        _close_finished(open_ends, fetched)
        if records:
            progress_at_s = time.monotonic()
            yield records
        elif time.monotonic() - progress_at_s > PATIENCE_S:
            raise Unavailable(
                f"Topic {topic}: no record for {PATIENCE_S:.0f} s though partitions {sorted(open_ends)} hold more. "
                "Check that the brokers can be reached."
            )
    consumer.unassign()


def _is_before(open_ends: Mapping[int, int], partition: int, offset: int) -> bool:
    return offset < open_ends.get(partition, 0)


def _close_finished(open_ends: dict[int, int], fetched: Fetched) -> None:
    reached = {partition: offset + 1 for partition, offset in map(place, fetched.records)}
    # The end may lie behind the last record: transactions leave marks that are no records.
    for partition, end in fetched.ends.items():
        reached[partition] = max(end, reached.get(partition, end))
    for partition, offset in reached.items():
        if offset >= open_ends.get(partition, offset + 1):
            del open_ends[partition]
