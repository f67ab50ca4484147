"""Who works, and upon which release event: the newest record of each worker in `worker-status`, as it comes in.

A worker writes every few seconds. One that has said nothing for `SILENT_MS` is not counted on: it was killed, or it
stands still and will end itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Self

import msgspec
from confluent_kafka import Message

from billing.log import Stretch, assign, fetch, offsets_at, open_consumer, scan, whole_log
from contracts.events import ReleaseEvent, WorkerStatus

SILENT_MS = 15_000
# Reads back this far: compaction leaves too much to read it all, and the clocks of workers may be wrong by so much.
_LOOK_BACK_MS = 5 * 60_000
_decode = msgspec.json.Decoder(WorkerStatus).decode


class Acted(NamedTuple):
    """What the live workers did about an event: acted upon it, not yet, or could not load what it asks for."""

    done: list[WorkerStatus]
    waiting: list[WorkerStatus]
    failed: list[WorkerStatus]


class WorkerWatch:
    """Reads `worker-status` from shortly before `now_ms` on. Raises Unavailable or Misconfigured, in each method."""

    def __init__(self, kafka: Mapping[str, Any], topic: str, now_ms: int) -> None:
        self._topic = topic
        self._newest: dict[str, WorkerStatus] = {}
        self._heard_ms: dict[str, int] = {}
        self._consumer = open_consumer(kafka)
        try:
            held = whole_log(self._consumer, topic)
            starts = offsets_at(self._consumer, topic, now_ms - _LOOK_BACK_MS)
            recent = {partition: Stretch(starts[partition], stretch.end) for partition, stretch in held.items()}
            for records in scan(self._consumer, topic, recent):
                self._take_in(records, None)
            assign(self._consumer, topic, {partition: stretch.end for partition, stretch in held.items()})
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the connection."""
        self._consumer.close()

    def read(self, timeout_s: float, now_ms: int) -> None:
        """Take in what arrives within `timeout_s`: it is news of `now_ms`, whatever the worker's clock says."""
        self._take_in(fetch(self._consumer, self._topic, timeout_s).records, now_ms)

    def live(self, now_ms: int) -> list[WorkerStatus]:
        """The newest status of each worker that runs, by its name."""
        heard = ((worker, self._newest[worker]) for worker, at in self._heard_ms.items() if now_ms - at < SILENT_MS)
        return [status for _, status in sorted(heard) if not status.stopped]

    def _take_in(self, records: Iterable[Message], now_ms: int | None) -> None:
        for record in records:
            with suppress(msgspec.DecodeError):  # no status: nothing is known from it
                status = _decode(record.value() or b"")
                self._newest[status.worker_id] = status
                self._heard_ms[status.worker_id] = status.at_ms if now_ms is None else now_ms


def acted_upon(live: Sequence[WorkerStatus], offset: int, event: ReleaseEvent) -> Acted:
    """Sort live workers by what they did about the event at `offset`. Who has acted upon a later one has done with it.

    A shadow that could not be loaded is a failure only if the event asked for nothing else.
    """
    found = Acted([], [], [])
    for status in live:
        loaded = status.shadow if event.action == "shadow" else status.release
        if status.event_offset < offset:
            found.waiting.append(status)
        elif status.event_offset == offset and loaded != (event.version or None):
            found.failed.append(status)
        else:
            found.done.append(status)
    return found
