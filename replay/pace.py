"""A rate limit without bursts: what was missed while waiting is not made up for."""

from collections.abc import Callable
from typing import Final

_LATE_AT_MOST_S: Final = 0.1


class Pace:
    """Waits so that `clicks_per_s` is kept. `now_s` and `sleep` are the clock, from outside."""

    def __init__(self, clicks_per_s: float, now_s: Callable[[], float], sleep: Callable[[float], object]) -> None:
        self.clicks_per_s = clicks_per_s
        self._now_s = now_s
        self._sleep = sleep
        self._due_s = now_s()

    def spend(self, clicks: int) -> None:
        """These clicks are done: wait until the next may be."""
        now_s = self._now_s()
        self._due_s = max(self._due_s, now_s - _LATE_AT_MOST_S) + clicks / self.clicks_per_s
        if self._due_s > now_s:
            self._sleep(self._due_s - now_s)
