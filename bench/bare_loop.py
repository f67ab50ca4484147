"""The reference: a confluent-kafka loop that produces what it consumes, untouched. Nothing can be cheaper in Python.

python -m bench.bare_loop BOOTSTRAP SOURCE TARGET FIRST_OFFSETS LINGER_MS     until SIGTERM
"""

import signal
import sys
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

# As the worker's, so that the difference is the work.
CONSUMER_CONFIG: dict[str, Any] = {
    "enable.auto.commit": False,
    "fetch.wait.max.ms": 100,
    "fetch.queue.backoff.ms": 10,
    "queued.min.messages": 20_000,
    "queued.max.messages.kbytes": 16_384,
}


def copy(kafka: dict[str, str], source: str, target: str, firsts: list[int], linger_ms: float) -> None:
    """Copy records from the given first offset of each partition on, until stopped."""
    consumer = Consumer({**kafka, **CONSUMER_CONFIG, "group.id": "bare"})
    consumer.assign([TopicPartition(source, partition, first) for partition, first in enumerate(firsts)])
    producer = Producer({**kafka, "linger.ms": linger_ms, "acks": "all", "queue.buffering.max.messages": 1_000_000})
    while True:
        first = consumer.poll(0.1)
        if first is None:
            producer.poll(0)
            continue
        for message in [first, *consumer.consume(2_000, 0)]:
            producer.produce(target, message.value(), message.key(), message.partition() or 0)
        producer.poll(0)
        while len(producer) > 500_000:
            producer.poll(0.01)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    bootstrap, source, target, firsts, linger_ms = sys.argv[1:]
    copy(
        {"bootstrap.servers": bootstrap}, source, target, [int(first) for first in firsts.split(",")], float(linger_ms)
    )
