"""Notes when each record of a topic reaches a consumer: a process of its own, which looks at no record.

    python -m bench.receiver BOOTSTRAP TOPIC FIRST_OFFSETS RECORDS OUT.npz     ends after so many records

The n-th record of `decisions[p]` belongs to the n-th click of `clicks[p]`, and so does the n-th copy of the bare loop:
offsets tell which is which. OUT holds partition, offset less the first one, and arrival (monotonic seconds).
"""

import gc
import sys
import time
from array import array
from pathlib import Path

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from bench.bare_loop import CONSUMER_CONFIG


def receive(kafka: dict[str, str], topic: str, firsts: list[int], records: int, out: Path) -> None:
    """Consume until `records` have come, then write OUT."""
    consumer = Consumer({**kafka, **CONSUMER_CONFIG, "group.id": "receiver"})
    consumer.assign([TopicPartition(topic, partition, first) for partition, first in enumerate(firsts)])
    partitions, offsets, arrivals_s = array("i"), array("q"), array("d")
    gc.disable()
    while len(arrivals_s) < records:
        # consume(n, t) would wait the full t unless n arrive.
        first = consumer.poll(0.1)
        if first is None:
            continue
        now_s = time.monotonic()
        for message in [first, *consumer.consume(2_000, 0)]:
            partition = message.partition() or 0
            partitions.append(partition)
            offsets.append((message.offset() or 0) - firsts[partition])
            arrivals_s.append(now_s)
    consumer.close()
    np.savez(out, partition=np.array(partitions), number=np.array(offsets), arrived_s=np.array(arrivals_s))


if __name__ == "__main__":
    bootstrap, topic, firsts, records, out = sys.argv[1:]
    offsets = [int(first) for first in firsts.split(",")]
    receive({"bootstrap.servers": bootstrap}, topic, offsets, int(records), Path(out))
