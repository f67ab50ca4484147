"""Dead letters, read for people and sent again."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from confluent_kafka import Producer
from msgspec import Struct

from billing.log import open_consumer, scan, whole_log
from contracts.errors import Unavailable
from contracts.events import Click
from contracts.topics import Topic, topic_name

_FLUSH_S = 30.0


class DeadLetter(Struct):
    """One parked record. `whole` is False if it was cut, and then it cannot be sent again."""

    path: str
    reason: str
    source_partition: int
    source_offset: int
    source_timestamp_ms: int
    whole: bool
    value: bytes


def read_dead_letters(kafka: Mapping[str, Any], prefix: str, path: str | None = None) -> Iterator[DeadLetter]:
    """All dead letters, by partition in log order; with `path`, those of one field (`$.ip`)."""
    topic = topic_name(Topic.DEAD_LETTERS, prefix)
    consumer = open_consumer(kafka)
    try:
        for records in scan(consumer, topic, whole_log(consumer, topic)):
            for record in records:
                letter = _read(dict(record.headers() or []), record.value() or b"")
                if path in (None, letter.path):
                    yield letter
    finally:
        consumer.close()


def retry(kafka: Mapping[str, Any], prefix: str, letters: Iterator[DeadLetter]) -> tuple[int, int]:
    """Send what can be read as a click by now to `clicks` again, with its own Kafka timestamp: (sent, left out).

    Left out is what is still no click, or was cut. Clicks get new offsets; sending one twice repeats it in `clicks`,
    and it is billed once, by its click_id.
    """
    producer = Producer({**kafka, "enable.idempotence": True})
    sent = left_out = 0
    for letter in letters:
        click = _readable(letter)
        if click is None:
            left_out += 1
            continue
        topic = topic_name(Topic.CLICKS, prefix)
        producer.produce(topic, letter.value, click.account_id, timestamp=letter.source_timestamp_ms)
        producer.poll(0)
        sent += 1
    if left := producer.flush(_FLUSH_S):
        raise Unavailable(f"{left} of {sent} records could not be sent within {_FLUSH_S:.0f} s. Try again.")
    return sent, left_out


def _readable(letter: DeadLetter) -> Click | None:
    try:
        return msgspec.json.decode(letter.value, type=Click) if letter.whole else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _read(headers: Mapping[str, Any], value: bytes) -> DeadLetter:
    text = {name: bytes(found).decode(errors="replace") for name, found in headers.items()}
    return DeadLetter(
        path=text["path"],
        reason=text["reason"],
        source_partition=int(text["source-partition"]),
        source_offset=int(text["source-offset"]),
        source_timestamp_ms=int(text["source-timestamp-ms"]),
        whole="sha256" not in text,
        value=value,
    )
