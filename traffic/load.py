"""How busy a kind of visitors is over time. Pure.

busy        ___          cumulative       ____/     a visit's start: a random height, read across to the time,
        ___|   |___                  ___/           so that a minute twice as busy gets twice the visits
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from traffic.columns import Window
from traffic.world import Floats, Integers

_STEP_MS = 300_000
_MOST_STEPS = 100_000


class Load(NamedTuple):
    """Cumulative load at times (n,), in milliseconds of mean load: over the period it grows by the period's length."""

    at_ms: Floats
    done_ms: Floats

    def between(self, from_ms: int, until_ms: int) -> tuple[float, float]:
        """Cumulative load at both times; outside of the times known nothing happens."""
        found = np.interp((from_ms, until_ms), self.at_ms, self.done_ms)
        return float(found[0]), float(found[1])

    def times(self, done_ms: Floats) -> Integers:
        """When the cumulative load reached these heights."""
        return np.interp(done_ms, self.done_ms, self.at_ms).astype(np.int64)


def steady(period: Window, before_ms: int) -> Load:
    """Always the same, from `before_ms` before the period on."""
    return _load(np.array([period.from_ms - before_ms, period.from_ms, period.until_ms], float), np.ones(2), period)


def by_rhythm(busy: Callable[[Integers], Floats], period: Window, before_ms: int) -> Load:
    """As busy as `busy` says of times in ms, to five minutes."""
    before = np.linspace(period.from_ms - before_ms, period.from_ms, 2 + before_ms // _STEP_MS)
    steps = min(_MOST_STEPS, 1 + period.duration_ms // _STEP_MS)
    edges = np.concatenate((before[:-1], np.linspace(*period, 1 + steps)))
    middles = ((edges[:-1] + edges[1:]) / 2).astype(np.int64)
    return _load(edges, busy(middles), period)


def by_counts(counts: Floats, period: Window, before_ms: int) -> Load:
    """The counts stretched over the period, each for an equal part of it; before it as busy as the first of them."""
    edges = np.concatenate(([period.from_ms - before_ms], np.linspace(*period, 1 + len(counts))))
    return _load(edges, np.concatenate((counts[:1], counts)), period)


def _load(edges_ms: Floats, busy: Floats, period: Window) -> Load:
    # Relative to the greatest, so that no number is too small to be divided by.
    done_ms = np.concatenate(([0.0], np.cumsum(busy / busy.max() * np.diff(edges_ms))))
    from_ms, until_ms = np.interp(period, edges_ms, done_ms)
    return Load(edges_ms, done_ms * (period.duration_ms / (until_ms - from_ms)))
