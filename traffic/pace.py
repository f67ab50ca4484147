"""When each event is to be sent. Open loop: the times are fixed beforehand, whatever happens to earlier events.

due       |  1  |  2  |  3  |  4  |
sent         1     2        3,4       3 was held up: 3 and 4 are sent at once, 5 is on time again
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from contracts.events import Click, Purchase

T = TypeVar("T")
# How long a wait goes on before it looks again whether it was told to stop.
_STOP_CHECK_S = 0.1


def time_of(event: Click | Purchase) -> int:
    """When it happened, in ms."""
    return event.clicked_at_ms if isinstance(event, Click) else event.purchased_at_ms


class Schedule(NamedTuple):
    """What happened at `origin_ms` is due at `start_s` of the clock; from there on time runs at `speed`."""

    origin_ms: int
    start_s: float
    speed: float

    def due_s(self, at_ms: int) -> float:
        """When an event of this time is due."""
        return self.start_s + (at_ms - self.origin_ms) / 1000 / self.speed


class Lateness:
    """By how much sends missed their time, to the millisecond."""

    def __init__(self) -> None:
        self._sends_by_ms: Counter[int] = Counter()

    def add(self, late_s: float) -> None:
        """Count one send."""
        self._sends_by_ms[int(1000 * late_s)] += 1

    def quantile_ms(self, share: float) -> int:
        """Lateness that this share of sends did not exceed; 0 without any send."""
        rest = share * self._sends_by_ms.total()
        for late_ms in sorted(self._sends_by_ms):
            rest -= self._sends_by_ms[late_ms]
            if rest <= 0:
                return late_ms
        return 0

    @property
    def worst_ms(self) -> int:
        """The latest send."""
        return max(self._sends_by_ms, default=0)


def on_time(
    items: Iterable[T],
    at_ms: Callable[[T], int],
    schedule: Schedule,
    lateness: Lateness,
    stopped: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[T]:
    """The items, each when it is due, or at once if that has passed. Ends early when `stopped`."""
    for item in items:
        due_s = schedule.due_s(at_ms(item))
        while (wait_s := due_s - clock()) > 0:
            if stopped():
                return
            sleep(min(wait_s, _STOP_CHECK_S))
        if stopped():
            return
        lateness.add(-wait_s)
        yield item
