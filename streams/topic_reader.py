"""Reads a whole topic from given positions on, in no consumer group, and goes on with partitions that are added."""

from collections.abc import Mapping
from typing import Any

import structlog
from confluent_kafka import Message

from billing.log import Stretch, assign, fetch, offsets_at, open_consumer, place, whole_log

log = structlog.get_logger()
QUEUED_KBYTES = 16_384


class TopicReader:
    """One topic. Raises Unavailable and Misconfigured as `billing.log` does."""

    def __init__(self, kafka: Mapping[str, Any], name: str) -> None:
        self._name = name
        self._consumer = open_consumer({**kafka, "queued.max.messages.kbytes": QUEUED_KBYTES})
        self._goal: dict[int, int] = {}
        self.positions: dict[int, int] = {}

    def start(self, saved: Mapping[int, int] | None, since_ms: int) -> None:
        """Go on from `saved` positions; without any, from the records of `since_ms` (Kafka's time) on."""
        held = whole_log(self._consumer, self._name)
        saved = offsets_at(self._consumer, self._name, since_ms) if saved is None else saved
        self.positions = {partition: self._start(partition, saved, stretch) for partition, stretch in held.items()}
        self._goal = {partition: stretch.end for partition, stretch in held.items()}
        assign(self._consumer, self._name, self.positions)

    def read(self, timeout_s: float) -> list[Message]:
        """What has arrived, in order within each partition."""
        fetched = fetch(self._consumer, self._name, timeout_s)
        for partition, offset in map(place, fetched.records):
            self.positions[partition] = offset + 1
        for partition, end in fetched.ends.items():  # behind the last record there may be marks that are no records
            self.positions[partition] = max(end, self.positions[partition])
        return fetched.records

    @property
    def left(self) -> int:
        """Offsets still to be read up to where the topic ended at the start."""
        return sum(max(0, end - self.positions[partition]) for partition, end in self._goal.items())

    def take_up_new_partitions(self) -> None:
        """Read partitions that were added, from their beginning."""
        held = whole_log(self._consumer, self._name)
        if held.keys() - self.positions.keys():
            self.positions = {**{partition: stretch.first for partition, stretch in held.items()}, **self.positions}
            assign(self._consumer, self._name, self.positions)

    def close(self) -> None:
        """Give back the connection."""
        self._consumer.close()

    def _start(self, partition: int, saved: Mapping[int, int], held: Stretch) -> int:
        position = saved.get(partition, held.first)
        if held.first <= position <= held.end:
            return position
        log.warning(
            "records expired or the topic was made anew: going on from the first one there is",
            topic=self._name,
            partition=partition,
            position=position,
            first=held.first,
        )
        return held.first
