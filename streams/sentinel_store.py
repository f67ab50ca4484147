"""The sentinel's memory: counts and the positions that they reach to, in one record, so that neither is ahead.

sentinel-state    ... record 40: counts up to offsets 700, 12   record 41: counts up to offsets 760, 13
                                                                └── the newest one: go on at 760, 13
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import structlog
from confluent_kafka import KafkaError, KafkaException, Producer
from msgspec import Struct

from billing.log import Stretch, open_consumer, scan, whole_log
from contracts.errors import Unavailable
from guardrails.sentinel.state import State

log = structlog.get_logger()
KEY = "sentinel"
WRITE_S = 15.0
_TAIL_RECORDS = 20
FORMAT = 1


class Saved(Struct):
    """Counts, and by partition the positions in both topics and the newest source offset that they reach to."""

    state: State
    feature_log: dict[int, int]
    purchases: dict[int, int]
    source_offsets: dict[int, int]
    clicks_topic_ids: dict[int, str]
    format: int = FORMAT


class SentinelStore:
    """The topic `sentinel-state`. Raises Unavailable when Kafka does not answer, Misconfigured when it never will."""

    def __init__(self, kafka: Mapping[str, Any], topic: str) -> None:
        self._kafka = kafka
        self._topic = topic

    def load(self) -> Saved | None:
        """The newest record; None if there is none, or none that this version can read."""
        consumer = open_consumer(self._kafka)
        try:
            held = whole_log(consumer, self._topic)
            last = {p: Stretch(max(part.first, part.end - _TAIL_RECORDS), part.end) for p, part in held.items()}
            records = [record for part in scan(consumer, self._topic, last) for record in part]
        finally:
            consumer.close()
        return _decoded(records[-1].value() or b"") if records else None

    def save(self, saved: Saved) -> None:
        """Write; returns when it stands."""
        errors: list[KafkaError | None] = []
        try:
            producer = Producer(
                {**self._kafka, "compression.type": "gzip", "message.timeout.ms": int(WRITE_S * 1000), "log_level": 2}
            )
            content = msgspec.json.encode(saved)
            producer.produce(self._topic, content, KEY, on_delivery=lambda error, _: errors.append(error))
            producer.flush(2 * WRITE_S)
        except KafkaException as error:
            raise Unavailable(f"The sentinel's state was not saved in {self._topic}: {error.args[0].str()}.") from error
        if errors != [None]:
            raise Unavailable(
                f"The sentinel's state was not saved in {self._topic}: {errors[0] if errors else 'no answer'}. Check "
                "that the brokers can be reached."
            )


def _decoded(content: bytes) -> Saved | None:
    try:
        saved = msgspec.json.decode(content, type=Saved)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("the saved state cannot be read: counting begins anew", why=str(error))
        return None
    if saved.format != FORMAT:
        log.warning("the saved state is of another version: counting begins anew", found=saved.format)
        return None
    return saved
