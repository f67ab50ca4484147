"""Records that cannot be read: parked whole up to a size, never in the way of the stream; too many stop a partition."""

import hashlib
from collections import deque

from streams.delivery import Headers
from streams.records import BadRecord

MAX_PARKED_BYTES = 64 * 1024


def park(bad: BadRecord, topic: str, partition: int) -> tuple[bytes, Headers]:
    """Value and headers of a dead letter: the original bytes, or their first 64 KiB with length and sha256 of all."""
    value = bad.record.value() or b""
    headers: Headers = [
        ("reason", bad.reason.encode()),
        ("path", bad.path.encode()),
        ("source-topic", topic.encode()),
        ("source-partition", str(partition).encode()),
        ("source-offset", str(bad.record.offset()).encode()),
        ("source-timestamp-ms", str(bad.record.timestamp()[1]).encode()),
    ]
    if len(value) > MAX_PARKED_BYTES:
        headers += [
            ("length-bytes", str(len(value)).encode()),
            ("sha256", hashlib.sha256(value).hexdigest().encode()),
        ]
    return value[:MAX_PARKED_BYTES], headers


class ParkedShare:
    """Share of bad records among the last ones of a partition.

    Judged once `minimum` records were seen, so that a bad start of a few records stops nothing.
    """

    def __init__(self, limit_ratio: float, window: int = 10_000, minimum: int = 1_000) -> None:
        self._limit_ratio = limit_ratio
        self._window = window
        self._minimum = minimum
        self._parts: deque[tuple[int, int]] = deque()
        self._records = 0
        self._bad = 0

    def add(self, records: int, bad: int) -> None:
        """Take in a part of the stream; the oldest parts beyond the window drop out."""
        self._parts.append((records, bad))
        self._records += records
        self._bad += bad
        while self._records - self._parts[0][0] >= self._window:
            old_records, old_bad = self._parts.popleft()
            self._records -= old_records
            self._bad -= old_bad

    @property
    def ratio(self) -> float:
        """Share of bad records, 0 to 1."""
        return self._bad / self._records if self._records else 0.0

    @property
    def exceeded(self) -> bool:
        """Whether the partition must stop."""
        return self._records >= self._minimum and self.ratio > self._limit_ratio
