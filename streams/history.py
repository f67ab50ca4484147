"""Reads a range of `clicks` again, for counting what a feature store has lost. Never joins a group."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from contracts.errors import Unavailable
from contracts.features import FUTURE_BOUND_MS, HOUR_MS, LONGEST_WINDOW_MS
from streams.records import KafkaMessage, RawRecord

# A state keeps seven tiles of four hours; a click may reach Kafka a day late, or be a little ahead.
LOOKBACK_MS = 28 * HOUR_MS + LONGEST_WINDOW_MS + FUTURE_BOUND_MS
_TIMEOUT_S = 10.0


class ClickHistory:
    """Ranges of one topic's partitions, by offset. Kafka not answering is `Unavailable`."""

    def __init__(self, kafka: dict[str, Any], topic: str) -> None:
        self._kafka = {
            **kafka,
            "group.id": "slidr-history",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
        }
        self._topic = topic

    async def bounds(self, partition: int) -> tuple[int, int]:
        """(first offset still kept, offset that the next record will get) of the partition."""
        return await asyncio.to_thread(self._bounds, partition)

    async def first_offset(self, partition: int, first: int | None, last: int) -> int | None:
        """Where to begin reading for the range up to `last`; None if there is nothing to read.

        `first` None means as far back as a state reaches, by the Kafka timestamp of the record at `last`.
        """
        return await asyncio.to_thread(self._first_offset, partition, first, last)

    async def read(self, partition: int, first: int, last: int, batch: int) -> AsyncIterator[Sequence[RawRecord]]:
        """Yield the records from `first` to `last`, both included, at most `batch` at a time."""
        with self._consumer(partition, first) as consumer:
            position = first
            while position <= last:
                records = await asyncio.to_thread(self._consume, consumer, partition, batch)
                if records is None:
                    return
                if kept := [record for record in records if record.offset() <= last]:
                    yield kept
                if records:
                    position = records[-1].offset() + 1

    def _bounds(self, partition: int) -> tuple[int, int]:
        consumer = Consumer(self._kafka)
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(self._topic, partition), timeout=_TIMEOUT_S)
            return int(low), int(high)
        except KafkaException as error:
            raise self._unavailable(partition, error) from error
        finally:
            consumer.close()

    def _first_offset(self, partition: int, first: int | None, last: int) -> int | None:
        low, high = self._bounds(partition)
        last = min(last, high - 1)
        if last < low:
            return None
        if first is None:
            first = self._lookback(partition, last)
        return max(first, low) if max(first, low) <= last else None

    def _lookback(self, partition: int, last: int) -> int:
        with self._consumer(partition, last) as consumer:
            while not (records := self._consume(consumer, partition, 1)):
                if records is None:
                    return last
            since_ms = max(0, records[0].timestamp()[1] - LOOKBACK_MS)
            try:
                (found,) = consumer.offsets_for_times(
                    [TopicPartition(self._topic, partition, since_ms)], timeout=_TIMEOUT_S
                )
            except KafkaException as error:
                raise self._unavailable(partition, error) from error
            return int(found.offset) if found.offset >= 0 else last

    @contextmanager
    def _consumer(self, partition: int, first: int) -> Iterator[Consumer]:
        consumer = Consumer(self._kafka)
        try:
            consumer.assign([TopicPartition(self._topic, partition, first)])
            yield consumer
        finally:
            consumer.close()

    def _consume(self, consumer: Consumer, partition: int, batch: int) -> list[Any] | None:
        """Records that arrived within a moment; None at the end of the partition."""
        records = []
        for message in cast(list[KafkaMessage], consumer.consume(batch, 0.1)):
            error = message.error()
            if error is None:
                records.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                return records or None
            else:
                raise self._unavailable(partition, KafkaException(error))
        return records

    def _unavailable(self, partition: int, error: KafkaException) -> Unavailable:
        return Unavailable(f"Reading {self._topic}[{partition}] again failed: {error}. It is tried again.")
