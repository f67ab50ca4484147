"""What comes before a run decides on features counted again: counting, and comparing them with those that were logged.

    counting     |==========|                      told every second, as progress of the first partition that is left
    comparing               |=====|
    deciding                      |==========|     the partitions, one after another: replay/run.py

Whoever goes on after a kill begins with counting.
"""

import threading
import time
from typing import Final

from msgspec.structs import replace

from contracts.replay import Preparation, Replay, Step
from replay.log import ReplayLog, now_ms
from replay.pace import Pace
from replay.warming import GoOn

LOOK_S: Final = 1.0


class Preparing:
    """Keeps a run's rate limit, tells how far it is as of a partition that is left, hears of a cancel or `stop`."""

    def __init__(self, replay: Replay, partition: int, log: ReplayLog, by: str, stop: threading.Event) -> None:
        self._replay = replay
        self._log = log
        self._by = by
        self._stop = stop
        self._pace = Pace(replay.clicks_per_s, time.monotonic, stop.wait)
        self._partition = partition
        self._told_s, self._told = 0.0, 0
        self.cancelled = replay.cancelled

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be done: cancelled, or stopped."""
        return self.cancelled or self._stop.is_set()

    def over(self, step: Step, total: int) -> GoOn:
        """Begin a step over so many clicks: `go_on(n)` waits as long as n more must take; False when it has ended."""
        done = 0
        self._tell(Preparation(step, done, total))

        def go_on(clicks: int) -> bool:
            nonlocal done
            done += clicks
            self._pace.spend(clicks)
            while not self.ended and (not self._pace.wait(LOOK_S) or time.monotonic() > self._told_s + LOOK_S):
                self._look()
                self._tell(Preparation(step, done, total))
            return not self.ended

        return go_on

    def _look(self) -> None:
        known = self._log.replay(self._replay.revision) or self._replay
        self._pace.clicks_per_s, self.cancelled = known.clicks_per_s, known.cancelled

    def _tell(self, preparation: Preparation) -> None:
        """Write progress; its rate is that since the record before."""
        if self.ended:
            return
        now_s, done = time.monotonic(), preparation.clicks
        rate = round((done - self._told) / (now_s - self._told_s), 1) if done else 0.0
        self._told_s, self._told = now_s, done
        known = self._log.progress_of(self._replay, self._partition, self._by)
        self._log.tell(
            replace(known, clicks_per_s=rate, by=self._by, at_ms=now_ms(), problem=None, preparation=preparation)
        )  # fmt: skip
