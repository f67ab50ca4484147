"""Clicks of all partitions in one order, which a second reading gives again. Pure.

    clicks[0]   t=10 a   t=30 b   t=20 c          order: a d b c e
    clicks[1]   t=20 d   t=40 e                   c follows b: within a partition, offsets decide

The order is (record timestamp, partition, offset), where a timestamp counts as no earlier than those before it in its
partition: workers count a partition by its offsets, and so does whoever counts again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import merge
from typing import NamedTuple

from streams.records import RawRecord


class Numbered(NamedTuple):
    """A record of `clicks[partition]` at place `number` of the merged order, which is its offset there."""

    number: int
    partition: int
    record: RawRecord

    def value(self) -> bytes | None:
        """Payload."""
        return self.record.value()

    def offset(self) -> int:
        """Place in the merged order, from 0 on."""
        return self.number

    def timestamp(self) -> tuple[int, int]:
        """As the record's own."""
        return self.record.timestamp()


def merged(partitions: Mapping[int, Iterable[Sequence[RawRecord]]]) -> Iterator[Numbered]:
    """All records, each partition's given in offset order, some at once. Reads ahead by one piece of each."""
    streams = [_keyed(partition, pieces) for partition, pieces in partitions.items()]
    for number, (_, partition, _, record) in enumerate(merge(*streams)):
        yield Numbered(number, partition, record)


def _keyed(partition: int, pieces: Iterable[Sequence[RawRecord]]) -> Iterator[tuple[int, int, int, RawRecord]]:
    newest_ms = 0
    for piece in pieces:
        for record in piece:
            newest_ms = max(newest_ms, record.timestamp()[1])
            yield newest_ms, partition, record.offset(), record
