"""Clicks and calls to try stores on."""

import random
from collections.abc import Sequence

from contracts.events import Click
from contracts.ports import CountCall
from tests.builders import START_MS, click
from tests.features.oracles import HOUR_MS, IDLE_MS, MINUTE_MS


def clicks_at(*seconds: float) -> list[Click]:
    """Clicks of one person, so many seconds after the start."""
    return [click(clicked_at_ms=START_MS + int(s * 1_000)) for s in seconds]


def call_of(
    clicks: Sequence[Click], first: int = 0, expected: int | None = None, acknowledged: int = -1, partition: int = 0
) -> CountCall:
    """A call of consecutive offsets from `first` on."""
    last = first + len(clicks) - 1
    return CountCall(partition, expected, last, acknowledged, clicks, range(first, last + 1))


def calls_of(clicks: Sequence[Click], sizes: Sequence[int], partition: int = 0) -> list[CountCall]:
    """Calls of the given sizes, over and over, each expecting the end of the one before; 200 offsets in flight."""
    calls: list[CountCall] = []
    first = 0
    while first < len(clicks):
        some = clicks[first : first + sizes[len(calls) % len(sizes)]]
        calls.append(call_of(some, first, first - 1 if first else None, first - 200, partition))
        first += len(some)
    return calls


def disorderly_clicks(seed: int, count: int, step_ms: int) -> list[Click]:
    """Few entities, shared by many; late by seconds to days, now and then from far ahead, some twice."""
    rng = random.Random(seed)
    now_ms = START_MS
    clicks: list[Click] = []
    while len(clicks) < count:
        now_ms += rng.randrange(step_ms) + (rng.random() < 0.02) * rng.choice((20 * MINUTE_MS, 5 * HOUR_MS, IDLE_MS))
        late_ms = rng.choice((0, 0, 0, 3_000, 90_000, 40 * MINUTE_MS, 9 * HOUR_MS, 30 * HOUR_MS))
        ahead_ms = (rng.random() < 0.005) * 200 * HOUR_MS
        user = rng.randrange(12)
        one = click(
            clicked_at_ms=now_ms - rng.randrange(late_ms + 1) + ahead_ms,
            user_id=f"user-{user}" if user % 3 else None,
            session_id=f"session-{user}-{rng.randrange(4)}",
            ip=f"192.0.2.{rng.randrange(6)}" if user % 4 else f"198.51.100.{rng.randrange(200)}",
            user_agent=f"agent {rng.randrange(3)}",
            campaign_id=f"campaign-{rng.randrange(7)}",
        )
        clicks += [one] * (1 + (rng.random() < 0.03))
    return clicks
