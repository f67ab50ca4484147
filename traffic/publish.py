"""Send clicks and purchases to Kafka; the record's Kafka timestamp is the event's own time."""

from collections.abc import Mapping
from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]  # not exported in its typing

from contracts.errors import Misconfigured, Refused, SlidrError, Unavailable
from contracts.events import Click, Purchase
from contracts.topics import Topic, topic_name

PATIENCE_S = 30.0
_POLL_EVERY = 1000
_WITHOUT_LIMIT = -1


class Publisher:
    """Sends events, keyed by account, to `clicks` and `purchases`. `config` holds librdkafka's connection settings.

    Nothing counts as sent until `confirm` has returned. `linger_ms` lets records gather: little for live traffic, more
    for as much as possible. Raises Misconfigured if a topic does not exist.
    """

    def __init__(self, config: Mapping[str, Any], prefix: str = "", linger_ms: float = 20) -> None:
        self._config = {"log_level": 2, **config}
        self._clicks = topic_name(Topic.CLICKS, prefix)
        self._purchases = topic_name(Topic.PURCHASES, prefix)
        self._encode = msgspec.json.Encoder().encode
        self._failed = 0
        self._first_failure: KafkaError | None = None
        self.clicks = 0
        self.purchases = 0
        settings = {
            "enable.idempotence": True,
            "linger.ms": linger_ms,
            "partitioner": "murmur2_random",  # as Kafka's own clients
            "queue.buffering.max.messages": 200_000,
            # Only failures are reported: a call per record would cost as much as producing it.
            "delivery.report.only.error": True,
            "on_delivery": self._on_failure,
        }
        self._producer = Producer({**settings, **self._config})
        self._check_topics()

    def send(self, event: Click | Purchase) -> None:
        """Hand an event to the producer, which sends it in the background. Raises what an earlier event failed of."""
        if isinstance(event, Click):
            self.clicks += 1
            self._produce(self._clicks, event.account_id, event, event.clicked_at_ms)
        else:
            self.purchases += 1
            self._produce(self._purchases, event.user_id or event.session_id, event, event.purchased_at_ms)
        if (self.clicks + self.purchases) % _POLL_EVERY == 0:
            self.check()

    def check(self) -> None:
        """Raise if an event could not be delivered."""
        self._producer.poll(0)
        if self._first_failure:
            raise _undelivered(self._first_failure, self._failed)

    def confirm(self) -> None:
        """Return when all events are stored in Kafka. Raises Unavailable if that does not come about."""
        waiting = len(self._producer)
        while waiting:
            left = self._producer.flush(PATIENCE_S)
            self.check()
            if left >= waiting:
                raise Unavailable(f"Kafka confirmed none of {left} records for {PATIENCE_S:.0f} s. Check its brokers.")
            waiting = left
        self.check()

    def refuse_expired(self, at_ms: int, now_ms: int) -> None:
        """Raise Refused if Kafka would delete clicks of this time at once, because they are older than it keeps."""
        resource = ConfigResource(ConfigResource.Type.TOPIC, self._clicks)
        admin = AdminClient(self._config)
        try:
            found = admin.describe_configs([resource], request_timeout=PATIENCE_S)[resource].result()
        except KafkaException as error:
            raise _cannot_use(self._clicks, error.args[0]) from error
        kept_ms = int(found["retention.ms"].value)
        if kept_ms != _WITHOUT_LIMIT and now_ms - at_ms > kept_ms:
            raise Refused(
                f"The first click is {(now_ms - at_ms) / 86_400_000:.0f} days old and {self._clicks} keeps records for "
                f"{kept_ms / 86_400_000:.0f} days: Kafka would delete them at once. Make topics that keep "
                "everything: `slidr topics create --keep-forever`, with another SLIDR_TOPIC_PREFIX if these must stay."
            )

    def _produce(self, topic: str, key: str | None, event: Click | Purchase, at_ms: int) -> None:
        while True:
            try:
                self._producer.produce(topic, self._encode(event), key, timestamp=at_ms)
                return
            except BufferError:
                # The queue is full: wait for the background to make room.
                self._producer.poll(0.05)
                self.check()

    def _on_failure(self, error: KafkaError, _: Message) -> None:
        self._failed += 1
        self._first_failure = self._first_failure or error

    def _check_topics(self) -> None:
        for topic in (self._clicks, self._purchases):
            try:
                found = self._producer.list_topics(topic, timeout=PATIENCE_S).topics[topic]
            except KafkaException as error:
                raise _cannot_use(topic, error.args[0]) from error
            # Without a leader for the moment: the producer waits for one by itself.
            if found.error is not None and found.error.code() != KafkaError.LEADER_NOT_AVAILABLE:
                raise _cannot_use(topic, found.error)


def _cannot_use(topic: str, error: KafkaError) -> SlidrError:
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return Misconfigured(f"There is no topic {topic}. Create it with `slidr topics create`.")
    return Unavailable(
        f"Topic {topic}: Kafka answers {error.name()} ({error.str()}). Check its brokers and your rights."
    )


def _undelivered(error: KafkaError, count: int) -> SlidrError:
    return Unavailable(
        f"At least {count} events could not be delivered; the first because Kafka answers {error.name()} "
        f"({error.str()}). What went before is stored. A repetition writes the same click_ids, which are billed once."
    )
