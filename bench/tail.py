"""Where the slowest clicks spent their time: the path through the worker cut into segments, and the loop's CPU in each.

polled ──► taken ──► asked ──► settled ──► decided
   | waiting | asking |  store   | deciding |
"""

import threading
import time
from array import array
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.lane import Chunk
from streams.scoring import Scoring

SLOWEST: Final = 0.001
SEGMENTS: Final = ("waiting", "asking", "store", "deciding")
# records; polled; taken, asked, settled, decided; the event loop's CPU at the last four.
_COLUMNS: Final = 10


class RecordedScoring(Scoring):
    """The shipped scoring, which also notes the moments of each piece of a take."""

    rows = array("d")

    def _take(self) -> list[Chunk]:
        self._taken = _now()
        return super()._take()

    def _ask(self, chunk: Chunk) -> Any:
        pending = super()._ask(chunk)
        chunk.moments = (*self._taken, *_now())  # type: ignore[attr-defined]
        return pending

    def _decide(self, answered: list[Chunk]) -> None:
        settled = _now()
        super()._decide(answered)
        decided = _now()
        for chunk in answered:
            taken_s, taken_cpu_s, asked_s, asked_cpu_s = chunk.moments  # type: ignore[attr-defined]
            for piece in chunk.pieces:
                moments = (taken_s, asked_s, settled[0], decided[0], taken_cpu_s, asked_cpu_s, settled[1], decided[1])
                self.rows.extend((len(piece.records), piece.polled_at_s, *moments))


class Tail(NamedTuple):
    """Means over the slowest clicks, in milliseconds, beside those over all: wall time, and CPU of the event loop.

    The loop's CPU while a click waits to be taken is not known; whatever else it has not used, it did not run in:
    waiting for Redis, for the processor, or for Python's lock.
    """

    clicks: int
    slowest_ms: dict[str, float]
    slowest_cpu_ms: dict[str, float]
    all_ms: dict[str, float]
    all_cpu_ms: dict[str, float]


def recorded() -> npt.NDArray[np.float64]:
    """What was noted in this process, (n, 10)."""
    return np.array(RecordedScoring.rows).reshape(-1, _COLUMNS)


def tail(rows: npt.NDArray[np.float64], slowest: float = SLOWEST) -> Tail:
    """Explain the slowest share of clicks. Rows (n, 10) as `recorded` gives them; at least one. Pure."""
    records, moments, cpu_s = rows[:, 0], rows[:, 1:6], rows[:, 6:]
    order = np.argsort(moments[:, -1] - moments[:, 0], kind="stable")[::-1]
    behind = np.cumsum(records[order]) - records[order]
    worst = order[behind < max(1.0, slowest * records.sum())]
    wall_ms, used_ms = 1_000 * np.diff(moments, axis=1), 1_000 * np.diff(cpu_s, axis=1)

    def means(of: npt.NDArray[np.float64], chosen: Any, names: tuple[str, ...]) -> dict[str, float]:
        mean = np.average(of[chosen], axis=0, weights=records[chosen])
        return dict(zip(names, np.round(mean, 3).tolist(), strict=True))

    everything = slice(None)
    return Tail(
        int(records[worst].sum()),
        means(wall_ms, worst, SEGMENTS),
        means(used_ms, worst, SEGMENTS[1:]),
        means(wall_ms, everything, SEGMENTS),
        means(used_ms, everything, SEGMENTS[1:]),
    )


def _now() -> tuple[float, float]:
    """Monotonic seconds and CPU seconds of the event loop's thread, which calls this."""
    assert threading.current_thread() is threading.main_thread()
    return time.monotonic(), time.thread_time()
