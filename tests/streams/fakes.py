"""Records as librdkafka would hand them over."""

from dataclasses import dataclass

from tests.builders import START_MS


@dataclass(frozen=True)
class FakeRecord:
    number: int
    payload: bytes = b"{}"
    timestamp_ms: int = START_MS

    def value(self) -> bytes:
        return self.payload

    def offset(self) -> int:
        return self.number

    def timestamp(self) -> tuple[int, int]:
        return 1, self.timestamp_ms
