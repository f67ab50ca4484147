"""The producer of decisions, feature log and dead letters: in order, without gaps, or the process ends.

`enable.gapless.guarantee` makes one delivered record of a partition imply all before it, so that a callback on the
last record of a part is enough. Records never expire (`message.timeout.ms=0`): while Kafka is away they wait here.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

DELIVERY_CONFIG: dict[str, Any] = {
    "acks": "all",
    "enable.idempotence": True,
    "enable.gapless.guarantee": True,
    "message.timeout.ms": 0,
    "linger.ms": 0.5,
    "queue.buffering.max.messages": 1_000_000,
    "batch.num.messages": 10_000,
    "log_level": 3,  # not the warning that gapless delivery is experimental
}

# Nobody waits for a report: those of so many seconds wake this thread, and the event loop, once.
NAP_S = 0.005

Delivered = Callable[[], None]
Headers = list[tuple[str, str | bytes | None]]


class Delivery:
    """A librdkafka producer with a thread that serves its callbacks.

    `on_fatal(reason)` is called from any thread when records can no longer be delivered in order; it must end the
    process, since a gap in an output would otherwise lose a decision.
    """

    def __init__(self, kafka: dict[str, Any], on_fatal: Callable[[str], None]) -> None:
        self._on_fatal = on_fatal
        self._producer = Producer({**kafka, **DELIVERY_CONFIG, "error_cb": self._on_error})
        # For the records between the last ones of a part: (topic, value, key, partition), 1.7 µs each.
        self.produce_silently = self._producer.produce
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="delivery", daemon=True)
        self._thread.start()

    def produce(
        self,
        topic: str,
        partition: int,
        value: bytes,
        key: bytes | str | None = None,
        headers: Headers | None = None,
        delivered: Delivered | None = None,
    ) -> None:
        """Queue one record. `delivered` is called from the delivery thread once it, and all before it, are stored."""
        if delivered is None:
            self._producer.produce(topic, value, key, partition, headers=headers)
        else:
            self._producer.produce(
                topic, value, key, partition, on_delivery=self._reporting(delivered), headers=headers
            )

    def flush(self, timeout_s: float) -> int:
        """Wait until all records are delivered; return how many are not."""
        return int(self._producer.flush(timeout_s))

    def close(self, timeout_s: float) -> int:
        """Flush, stop the thread; return how many records were left undelivered."""
        left = self.flush(timeout_s)
        self._stopping = True
        self._thread.join(timeout_s)
        return left

    def _reporting(self, delivered: Delivered) -> Callable[[KafkaError | None, Message], None]:
        def report(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self._on_fatal(f"A record for {message.topic()}[{message.partition()}] was not delivered: {error}.")
            else:
                delivered()

        return report

    def _serve(self) -> None:
        try:
            while not self._stopping:
                if self._producer.poll(0.1):
                    time.sleep(NAP_S)
        except BaseException as error:  # noqa: BLE001 - a fatal error may be raised by poll(); the process must end
            self._on_fatal(f"The delivery thread ended: {error!r}.")

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._on_fatal(f"The producer met a fatal error: {error}.")
