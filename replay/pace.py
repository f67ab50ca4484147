"""A rate limit without bursts: what was missed while waiting is not made up for."""

from collections.abc import Callable
from typing import Final

_LATE_AT_MOST_S: Final = 0.1


class Pace:
    """Waits so that `clicks_per_s` is kept. `now_s` and `sleep` are the clock, from outside."""

    def __init__(self, clicks_per_s: float, now_s: Callable[[], float], sleep: Callable[[float], object]) -> None:
        self._clicks_per_s = clicks_per_s
        self._now_s = now_s
        self._sleep = sleep
        self._due_s = now_s()

    @property
    def clicks_per_s(self) -> float:
        """The limit. Another one holds at once, also for clicks that are waited for."""
        return self._clicks_per_s

    @clicks_per_s.setter
    def clicks_per_s(self, clicks_per_s: float) -> None:
        now_s = self._now_s()
        if self._due_s > now_s:
            self._due_s = now_s + (self._due_s - now_s) * self._clicks_per_s / clicks_per_s
        self._clicks_per_s = clicks_per_s

    def spend(self, clicks: int) -> None:
        """These clicks are done: the next may be only after a `wait`."""
        self._due_s = max(self._due_s, self._now_s() - _LATE_AT_MOST_S) + clicks / self._clicks_per_s

    def wait(self, at_most_s: float) -> bool:
        """Wait until the next clicks may be done, but not longer than told; returns whether they may."""
        left_s = self._due_s - self._now_s()
        if left_s > 0:
            self._sleep(min(left_s, at_most_s))
        return left_s <= at_most_s
