"""Watches a topic grow while a process works, and what CPU that takes."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, TopicPartition
from msgspec import Struct

from bench.cpu import cpu_s, thread_cpu_s
from bench.process import Child


class Mark(NamedTuple):
    """Records so far at a moment, and the CPU seconds so far of processes and of the worker's threads."""

    at_s: float
    records: int
    cpu_s: dict[str, float]
    threads_s: dict[str, float]


class Watch:
    """Ends of a topic's partitions, with the CPU of the processes that matter."""

    def __init__(self, kafka: dict[str, str], topic: str, partitions: int) -> None:
        self._consumer = Consumer({**kafka, "group.id": "watch"})
        self._places = [TopicPartition(topic, partition) for partition in range(partitions)]

    def ends(self) -> list[int]:
        """End offset of each partition."""
        return [int(self._consumer.get_watermark_offsets(place, timeout=10)[1]) for place in self._places]

    def mark(self, pids: Mapping[str, int], threads_of: int) -> Mark:
        """What stands now."""
        records = sum(self.ends())
        cpu = {name: cpu_s(pid) for name, pid in pids.items()}
        return Mark(time.monotonic(), records, cpu, thread_cpu_s(threads_of))

    def until(
        self, records: int, child: Child, pids: Mapping[str, int], limit_s: float, turn: Callable[[], None]
    ) -> tuple[Mark, Mark]:
        """From the first record seen to so many. Raises Unavailable if the process ends, or takes too long."""
        first: Mark | None = None
        deadline_s = time.monotonic() + limit_s
        while (now := self.mark(pids, child.pid)).records < records:
            child.check()
            if now.at_s > deadline_s:
                raise child.failed(f"wrote {now.records} of {records} records within {limit_s:.0f} s")
            first = first or (now if now.records else None)
            turn()
        return first or now, now

    def close(self) -> None:
        """Give back the connection."""
        self._consumer.close()


class Spent(Struct, frozen=True):
    """Between two marks: records per second, and CPU microseconds per record by process and by thread."""

    per_s: float
    records: int
    cpu_us: dict[str, float]
    threads_us: dict[str, float]


def spent(first: Mark, last: Mark) -> Spent:
    """The difference of two marks."""
    records = max(last.records - first.records, 1)

    def per_record_us(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
        return {name: round(1e6 * (seconds - before.get(name, 0.0)) / records, 2) for name, seconds in after.items()}

    return Spent(
        round(records / max(last.at_s - first.at_s, 1e-9), 1),
        records,
        per_record_us(first.cpu_s, last.cpu_s),
        per_record_us(first.threads_s, last.threads_s),
    )
