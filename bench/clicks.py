"""The clicks that benchmarks work on: simulated traffic with its skew, drawn before anything is timed."""

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from zlib import crc32

import msgspec
from confluent_kafka import Producer

from contracts.events import Click
from traffic.simulate import simulate

START_MS = 1_704_067_200_000
# A hundred million a day.
CLICKS_PER_S = 1_157.0
FLUSH_S = 120.0
BACKLOG_LINGER_MS = 50.0


def draw_clicks(count: int, seed: int, clicks_per_s: float = CLICKS_PER_S) -> list[Click]:
    """So many clicks in time order, from START_MS on."""
    duration_ms = int(2_000 * count / clicks_per_s) + 1_000
    events = (simulated.event for simulated in simulate(seed, START_MS, duration_ms, clicks_per_s, history_days=0))
    return list(islice((event for event in events if isinstance(event, Click)), count))


def partition_of(click: Click, partitions: int) -> int:
    """Where librdkafka's default partitioner puts the click's key."""
    return crc32(click.account_id.encode()) % partitions


def paced(clicks: Iterable[Click], per_s: float) -> Iterator[Click]:
    """The same clicks, none before it is due at this rate; what is late comes at once."""
    started_s = time.monotonic()
    for number, click in enumerate(clicks):
        if (early_s := started_s + number / per_s - time.monotonic()) > 0:
            time.sleep(early_s)
        yield click


def fill(
    kafka: dict[str, str], topic: str, clicks: Iterable[Click], partitions: int, linger_ms: float = BACKLOG_LINGER_MS
) -> None:
    """Write clicks; the time of a record is the time of its click."""
    producer = Producer({**kafka, "linger.ms": linger_ms, "queue.buffering.max.messages": 1_000_000})
    encode = msgspec.json.Encoder().encode
    for number, click in enumerate(clicks, 1):
        partition = partition_of(click, partitions)
        producer.produce(topic, encode(click), click.account_id, partition, timestamp=click.clicked_at_ms)
        if number % 10_000 == 0:
            producer.poll(0)
            while len(producer) > 500_000:
                time.sleep(0.01)
    if left := producer.flush(FLUSH_S):
        raise RuntimeError(f"The backlog could not be written: {left} clicks short.")
