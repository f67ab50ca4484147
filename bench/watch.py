"""Watches a topic grow while a process works, and what CPU that takes."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition
from msgspec import Struct

from bench.cpu import MachineTimes, machine_times
from bench.process import Child
from contracts.errors import Unavailable

# A thread or process that uses less per record is not worth a line.
NEGLIGIBLE_US = 0.05
# The bare loop is done with a small backlog within 0.2 s.
FIRST_LOOK_S = 0.01
LEADERS_S = 30.0


Clock = Callable[[], float]


class Mark(NamedTuple):
    """Records so far at a moment, and the CPU seconds so far of processes, of one's threads, and of the machine."""

    at_s: float
    records: int
    cpu_s: dict[str, float]
    threads_s: dict[str, float]
    machine: MachineTimes


class Watch:
    """Ends of a topic's partitions, with the CPU of the processes that matter."""

    def __init__(self, kafka: dict[str, str], topic: str, partitions: int) -> None:
        self._consumer = Consumer({**kafka, "group.id": "watch"})
        self._places = [TopicPartition(topic, partition) for partition in range(partitions)]
        self._wait_for_leaders()

    def _wait_for_leaders(self) -> None:
        """A topic made a moment ago has none yet."""
        deadline_s = time.monotonic() + LEADERS_S
        while True:
            try:
                self.ends()
                return
            except KafkaException as error:
                if time.monotonic() > deadline_s:
                    raise Unavailable(f"The partitions to watch have no leader: {error}.") from error
                time.sleep(FIRST_LOOK_S)

    def ends(self) -> list[int]:
        """End offset of each partition."""
        return [int(self._consumer.get_watermark_offsets(place, timeout=10)[1]) for place in self._places]

    def mark(self, clocks: Mapping[str, Clock], child: Child) -> Mark:
        """What stands now, by the CPU clocks of processes. Raises Unavailable if `child` has ended."""
        records = sum(self.ends())
        cpu = {name: clock() for name, clock in clocks.items()}
        return Mark(time.monotonic(), records, cpu, child.thread_cpu_s(), machine_times())

    def until(
        self,
        records: int,
        child: Child,
        clocks: Mapping[str, Clock],
        limit_s: float,
        turn: Callable[[], None],
        pause_s: float = 0.0,
    ) -> tuple[Mark, Mark]:
        """From the first record seen to so many. Raises Unavailable if the process ends, or takes too long.

        Where records come in bursts, at least `pause_s` apart, from the end of the first burst: all that was done
        before it is not counted, nor is the time that it took.
        """
        first: Mark | None = None
        deadline_s = time.monotonic() + limit_s
        while (now := sum(self.ends())) < records:
            child.check()
            if time.monotonic() > deadline_s:
                raise child.failed(f"wrote {now} of {records} records within {limit_s:.0f} s")
            if first:
                turn()
            elif now:
                wait_for_pause(lambda: sum(self.ends()), pause_s)
                first = self.mark(clocks, child)
            else:
                time.sleep(FIRST_LOOK_S)
        last = self.mark(clocks, child)
        return first or last, last

    def close(self) -> None:
        """Give back the connection."""
        self._consumer.close()


def wait_for_pause(
    count: Callable[[], int],
    pause_s: float,
    clock: Clock = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until a count has not grown for so long."""
    seen, since_s = count(), clock()
    while clock() - since_s < pause_s:
        sleep(FIRST_LOOK_S)
        if (now := count()) > seen:
            seen, since_s = now, clock()


class Spent(Struct, frozen=True):
    """Between two marks: records per second, and CPU microseconds per record by process and by thread.

    Ratios are of all cores' time: busy, busy with processes that are not ours, stolen by other virtual machines.
    """

    per_s: float
    records: int
    cpu_us: dict[str, float]
    threads_us: dict[str, float]
    busy_ratio: float
    others_ratio: float
    stolen_ratio: float


def spent(first: Mark, last: Mark) -> Spent:
    """The difference of two marks. Pure."""
    records = max(last.records - first.records, 1)
    cores_s = max(last.machine.all_s - first.machine.all_s, 1e-9)
    busy_s = last.machine.busy_s - first.machine.busy_s
    ours_s = sum(last.cpu_s.values()) - sum(first.cpu_s.values())

    def per_record_us(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
        used = {name: 1e6 * (seconds - before.get(name, 0.0)) / records for name, seconds in after.items()}
        return {name: round(us, 2) for name, us in used.items() if us >= NEGLIGIBLE_US}

    return Spent(
        per_s=round(records / max(last.at_s - first.at_s, 1e-9), 1),
        records=records,
        cpu_us=per_record_us(first.cpu_s, last.cpu_s),
        threads_us=per_record_us(first.threads_s, last.threads_s),
        busy_ratio=round(busy_s / cores_s, 3),
        others_ratio=round(max(busy_s - ours_s, 0.0) / cores_s, 3),
        stolen_ratio=round((last.machine.stolen_s - first.machine.stolen_s) / cores_s, 3),
    )
