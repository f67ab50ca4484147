"""The demo's traffic: a simulated day as a backlog, then a day within a minute, at the rhythm of its hours."""

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from contracts.errors import Unavailable
from traffic.pace import Lateness, Schedule, on_time
from traffic.publish import Publisher
from traffic.simulate import Simulated


class Traffic(threading.Thread):
    """Sends to `clicks` and `purchases`: `backlog` at once and, when told to, `live` at `speed` times its pace."""

    def __init__(
        self, kafka: dict[str, Any], backlog: Iterable[Simulated], live: Iterable[Simulated], speed: float
    ) -> None:
        super().__init__(name="traffic", daemon=True)
        self._publisher = Publisher(kafka, linger_ms=2)
        self._backlog = backlog
        self._live = iter(live)
        self._speed = speed
        self._stopping = False
        self.error: BaseException | None = None
        self.backlog_clicks = 0
        self._live_may_begin = threading.Event()
        # Each event is here before it is on its topic, for whoever joins it with decisions.
        self.sent: deque[Simulated] = deque()

    @property
    def clicks(self) -> int:
        """Clicks sent so far."""
        return self._publisher.clicks

    def check(self) -> None:
        """Raise Unavailable if the traffic could not be sent."""
        if self.error:
            raise Unavailable(f"The traffic could not be sent: {self.error}.") from self.error

    def run(self) -> None:
        """Send everything, or until stopped."""
        try:
            self._send(self._backlog)
            self._publisher.confirm()
            self.backlog_clicks = self.clicks
            self._live_may_begin.wait()
            self._send(self._paced())
            self._publisher.confirm()
        except BaseException as error:  # noqa: BLE001 - shown by the demo, which ends
            self.error = error

    def stop(self) -> None:
        """Send nothing more."""
        self._stopping = True
        self._live_may_begin.set()

    def begin_live(self) -> None:
        """Start the live day, once the backlog is decided."""
        self._live_may_begin.set()

    def _paced(self) -> Iterator[Simulated]:
        first = next(self._live)
        schedule = Schedule(first.at_ms, time.monotonic(), self._speed)
        events = chain([first], self._live)
        return on_time(events, lambda event: event.at_ms, schedule, Lateness(), lambda: self._stopping)

    def _send(self, events: Iterable[Simulated]) -> None:
        for simulated in events:
            if self._stopping:
                return
            self.sent.append(simulated)
            self._publisher.send(simulated.event)
