"""Where a newly assigned partition begins: read off the outputs themselves, the group's commit only as a hint.

    decisions[p]     ... 97 98 99 100           highest live source offset 100
    feature-log[p]   ... 97 98 99               99: the worker died between the two
    dead-letters[p]  ... 91
    start at 100: decided again, byte for byte, written to the feature log only

Each output is read back as far as one worker can have records under way, since a paused worker's late duplicates may
stand behind newer ones; further where corrections fill the end.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import msgspec
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from contracts.errors import Misconfigured, Unavailable
from contracts.events import LIVE
from contracts.feature_log import CLICKS_TOPIC_ID_HEADER, FIRST_OFFSET_HEADER, LAST_OFFSET_HEADER
from contracts.topics import MAX_IN_FLIGHT_RECORDS, Topic, topic_name
from streams.lane import StartPoint, Tails
from streams.records import KafkaMessage

log = structlog.get_logger()

_TIMEOUT_S = 10.0
_BLOCK = {Topic.DECISIONS: MAX_IN_FLIGHT_RECORDS, Topic.FEATURE_LOG: 64, Topic.DEAD_LETTERS: MAX_IN_FLIGHT_RECORDS}


class _DecisionKey(msgspec.Struct, gc=False):
    run: str
    source_offset: int


class Mark(NamedTuple):
    """What one output record says: its last live source offset, over how many source records, of which topic id."""

    offset: int
    records: int = 1
    topic_id: str | None = None


_decode_key = msgspec.json.Decoder(_DecisionKey).decode


def _decision_mark(message: KafkaMessage) -> Mark | None:
    key = _decode_key(message.value())
    return Mark(key.source_offset) if key.run == LIVE else None


def _batch_mark(message: KafkaMessage) -> Mark:
    headers = dict(message.headers() or [])
    last = int(headers[LAST_OFFSET_HEADER])
    return Mark(last, last - int(headers[FIRST_OFFSET_HEADER]) + 1, headers[CLICKS_TOPIC_ID_HEADER].decode())


def _dead_letter_mark(message: KafkaMessage) -> Mark:
    return Mark(int(dict(message.headers() or [])["source-offset"]))


class StartPoints:
    """Finds start points. Used from the poll thread only: it blocks. Kafka not answering is `Unavailable`."""

    def __init__(
        self, kafka: dict[str, Any], prefix: str, group: str, clicks_topic_id: str, *, skip_expired: bool = False
    ) -> None:
        self._consumer = Consumer(
            {
                **kafka,
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
            }
        )
        self._prefix = prefix
        self._topic_id = clicks_topic_id
        self._skip_expired = skip_expired

    def find(self, partition: int) -> StartPoint:
        """Start point of a partition. Raises Misconfigured where `clicks` contradicts the outputs or has expired."""
        try:
            return self._find(partition)
        except KafkaException as error:
            raise Unavailable(f"Reading where partition {partition} stands failed: {error}.") from error

    def close(self) -> None:
        """Give back the connection."""
        self._consumer.close()

    def _find(self, partition: int) -> StartPoint:
        decisions = self._tail(Topic.DECISIONS, partition, _decision_mark)
        rows = self._tail(Topic.FEATURE_LOG, partition, _batch_mark)
        parked = self._tail(Topic.DEAD_LETTERS, partition, _dead_letter_mark)
        clicks = topic_name(Topic.CLICKS, self._prefix)
        (commit,) = self._consumer.committed([TopicPartition(clicks, partition)], timeout=_TIMEOUT_S)
        low, high = self._consumer.get_watermark_offsets(TopicPartition(clicks, partition), timeout=_TIMEOUT_S)
        start = start_offset(
            decisions and decisions.offset, rows and rows.offset, commit.offset if commit.offset >= 0 else None, low
        )
        if self._skip_expired and start < low:
            log.error("expired clicks are skipped, as asked", partition=partition, first=start, last=low - 1)
            start = low
        check_start(partition, start, low, high, rows and rows.topic_id, self._topic_id)
        return StartPoint(partition, start, Tails(*(-1 if m is None else m.offset for m in (decisions, rows, parked))))

    def _tail(self, topic: Topic, partition: int, mark: Callable[[KafkaMessage], Mark | None]) -> Mark | None:
        """Highest mark, reading back in blocks until what one worker can have under way is covered."""
        name = topic_name(topic, self._prefix)
        low, upto = self._consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=_TIMEOUT_S)
        highest: Mark | None = None
        covered = 0
        while upto > low and covered < MAX_IN_FLIGHT_RECORDS:
            first = max(low, upto - _BLOCK[topic])
            for found in filter(None, map(mark, self._read(name, partition, first, upto))):
                covered += found.records
                highest = found if highest is None or found.offset > highest.offset else highest
            upto = first
        return highest

    def _read(self, name: str, partition: int, first: int, upto: int) -> list[KafkaMessage]:
        self._consumer.assign([TopicPartition(name, partition, first)])
        messages: list[KafkaMessage] = []
        try:
            while True:
                for message in cast(list[KafkaMessage], self._consumer.consume(2_000, 0.05)):
                    error = message.error()
                    if error is not None and error.code() != KafkaError._PARTITION_EOF:
                        raise KafkaException(error)
                    if error is None and message.offset() < upto:
                        messages.append(message)
                    if message.offset() >= upto - 1:
                        return messages
        finally:
            self._consumer.unassign()


def start_offset(decisions: int | None, rows: int | None, commit: int | None, low: int) -> int:
    """Lowest position of the two outputs; where a tail is absent, the commit, else `low`."""
    positions = [commit if tail is None else tail + 1 for tail in (decisions, rows)]
    return min(low if position is None else position for position in positions)


def check_start(partition: int, start: int, low: int, high: int, logged_topic_id: str | None, topic_id: str) -> None:
    """Refuse to start where clicks would silently be skipped or taken for others."""
    place = f"clicks[{partition}]"
    remedy = "Use a new SLIDR_TOPIC_PREFIX with its own outputs, or restore the old topic."
    if logged_topic_id is not None and logged_topic_id != topic_id:
        raise Misconfigured(
            f"{place} has topic id {topic_id}, but the feature log was written from topic id {logged_topic_id}: "
            f"the topic `clicks` was recreated. {remedy}"
        )
    if start > high:
        raise Misconfigured(
            f"The outputs of {place} reach offset {start - 1}, but the partition ends at {high - 1}: "
            f"the topic `clicks` was recreated or cut. {remedy}"
        )
    if start < low:
        raise Misconfigured(
            f"Offsets {start} to {low - 1} of {place} were not decided and have expired: {low - start} clicks at most. "
            "They are not skipped silently. Raise the retention of `clicks`; to go on without them, start the worker "
            "once with --skip-expired: the gap is then written to its log."
        )
