"""Reads the whole of `model-releases`, and adds an event to it: of two that replace the same one, the first wins.

read the log: event 7 is in force        read the log: event 7 is in force
write event 8, replaces 7                write event 9, replaces 7
read back: 8 took effect                 read back: 9 is void, 8 was first: Refused
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec
import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from billing.log import open_consumer, scan, whole_log
from contracts.errors import Misconfigured, Refused, Unavailable
from contracts.events import ReleaseEvent
from streams.release_log import Entry, InForce, fold
from streams.topic_admin import REMEDIES

WRITE_S = 15.0
_decode = msgspec.json.Decoder(ReleaseEvent).decode
log = structlog.get_logger()


class ReleaseLog:
    """The topic `model-releases`. `kafka` is librdkafka's configuration, `default` what is active before any event.

    Every method raises Unavailable when Kafka does not answer, and Misconfigured when it never will.
    """

    def __init__(self, kafka: Mapping[str, Any], topic: str, default: str) -> None:
        self._kafka = kafka
        self._topic = topic
        self._default = default

    def history(self) -> list[Entry]:
        """All events, oldest first, with what each did. One that cannot be read is void, and left out."""
        consumer = open_consumer(self._kafka)
        try:
            records = [r for part in scan(consumer, self._topic, whole_log(consumer, self._topic)) for r in part]
        finally:
            consumer.close()
        return fold(events_of(records), InForce(self._default))

    def append(self, event: ReleaseEvent) -> int:
        """Write an event and return its offset. Raises Refused if another event took its place first: it is void."""
        offset = self._write(event)
        history = self.history()
        if not any(entry.offset == offset and entry.effective for entry in history):
            raise Refused(_why_void(history, offset, event))
        return offset

    def _write(self, event: ReleaseEvent) -> int:
        settings = {"enable.idempotence": True, "message.timeout.ms": int(WRITE_S * 1_000), "log_level": 2}
        producer = Producer({**self._kafka, **settings})
        reports: list[tuple[KafkaError | None, Message]] = []
        try:
            producer.produce(
                self._topic, msgspec.json.encode(event), on_delivery=lambda *report: reports.append(report)
            )
            producer.flush(2 * WRITE_S)
        except KafkaException as error:
            raise Misconfigured(f"The event was not written to {self._topic}: {error.args[0].str()}.") from error
        failure, message = reports[0] if reports else (KafkaError(KafkaError._TIMED_OUT), None)
        if failure is None and message is not None:
            return cast(int, message.offset())
        if failure is not None and failure.code() in REMEDIES:
            remedy = REMEDIES[failure.code()]
            raise Misconfigured(f"The event was not written to {self._topic}: {failure.str()}. {remedy}")
        raise Unavailable(
            f"It is not known whether the event stands: Kafka did not confirm it for {self._topic} ({failure}). "
            "See `slidr releases` before you try again."
        )


def events_of(messages: Iterable[Message]) -> list[tuple[int, ReleaseEvent]]:
    """(offset, event) of messages of the topic; errors, and what is no event, are left out."""
    events = []
    for message in messages:
        if message.error() is None:
            try:
                events.append((cast(int, message.offset()), _decode(message.value() or b"")))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                log.error("release event is void: it cannot be read", offset=message.offset(), why=str(error))
    return events


def _why_void(history: Iterable[Entry], offset: int, event: ReleaseEvent) -> str:
    lost = f"Nothing was changed: event {offset} ({event.action} {event.version or 'off'}) is void"
    for entry in history:
        if entry.effective and entry.before.offset == event.replaces_offset:
            first = entry.event
            return (
                f"{lost}, since {first.by} was first with event {entry.offset}: {first.action} "
                f"{first.version or 'off'} ({first.reason or 'no reason given'}). See `slidr releases`; if it is still "
                "wanted, do it again."
            )
    return f"{lost}, since event {event.replaces_offset}, which it replaces, was never in force. See `slidr releases`."
