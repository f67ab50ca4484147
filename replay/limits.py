"""The rate limit of a run while its features are counted again, and whether somebody has cancelled it meanwhile."""

import time
from typing import Final

from contracts.replay import Replay
from replay.log import ReplayLog
from replay.pace import Pace

_LOOK_S: Final = 1.0


class Limit:
    """`limit(n)` waits as long as n more clicks must take; False when the run is cancelled."""

    def __init__(self, replay: Replay, log: ReplayLog) -> None:
        self._replay = replay
        self._log = log
        self._pace = Pace(replay.clicks_per_s, time.monotonic, time.sleep)
        self._look_at_s = 0.0
        self.cancelled = replay.cancelled

    def __call__(self, clicks: int) -> bool:
        self._pace.spend(clicks)
        while not self.cancelled and (not self._pace.wait(_LOOK_S) or time.monotonic() > self._look_at_s):
            self._look()
            self._look_at_s = time.monotonic() + _LOOK_S
        return not self.cancelled

    def _look(self) -> None:
        known = self._log.replay(self._replay.revision) or self._replay
        self._pace.clicks_per_s, self.cancelled = known.clicks_per_s, known.cancelled
