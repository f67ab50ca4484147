"""One partition's stretch of a topic, quickly: `billing.log.scan` for many partitions asks every record where it is."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, Message, TopicPartition

from billing.log import PATIENCE_S, Stretch, assign, fetch, open_consumer, partitions_of, patiently, place
from contracts.errors import Unavailable

# A replay reads many short stretches, and the first fetch of one waits for the last of the one before: at the end of a
# topic the broker keeps that for so long.
_CONSUMER: Final = {"fetch.wait.max.ms": 10}


def open_reader(kafka: Mapping[str, Any]) -> Consumer:
    """As `open_consumer`, for reading one stretch after another."""
    return open_consumer({**kafka, **_CONSUMER})


def read_stretch(consumer: Consumer, topic: str, partition: int, stretch: Stretch) -> Iterator[list[Message]]:
    """All records of a stretch in order, some at once. Raises Unavailable when none come in time."""
    if stretch.first >= stretch.end:
        return
    # A client that does not know the topic yet would look for it a second later, at its next look around.
    partitions_of(consumer, topic)
    assign(consumer, topic, {partition: stretch.first})
    reached, progress_at_s = stretch.first, time.monotonic()
    while reached < stretch.end:
        fetched = fetch(consumer, topic)
        records = fetched.records
        if records:
            reached = place(records[-1])[1] + 1
            if reached > stretch.end:
                records = [record for record in records if place(record)[1] < stretch.end]
            yield records
            progress_at_s = time.monotonic()
        # The end may lie behind the last record: transactions leave marks that are no records.
        reached = max(reached, fetched.ends.get(partition, 0))
        if time.monotonic() - progress_at_s > PATIENCE_S:
            raise Unavailable(
                f"{topic}[{partition}]: no record for {PATIENCE_S:.0f} s though it holds more from {reached} on. Check "
                "that the brokers can be reached."
            )
    consumer.unassign()


def held_in(consumer: Consumer, topic: str, partition: int) -> Stretch:
    """What Kafka holds of a partition now."""
    where = TopicPartition(topic, partition)
    return Stretch(*patiently(topic, lambda: consumer.get_watermark_offsets(where, timeout=PATIENCE_S)))
