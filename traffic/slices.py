"""The stretches of time that a scenario is drawn in. Pure.

    visitors' warm-up            period
    |----------|----------|------|--block--|--block--|--block--|-|
     longest visit before the start

Everything drawn depends on them, so they depend on nothing but the scenario.
"""

from collections.abc import Iterator

from traffic.columns import Window
from traffic.scenario import Scenario
from traffic.visitors import Visitors

# Small enough that drawing a block does not delay a live sender noticeably.
_BLOCK_CLICKS = 4000
_LONGEST_BLOCK_MS = 30 * 60_000
_WARM_UP_CLICKS = 100_000


def block_ms(scenario: Scenario) -> int:
    """Length of a block."""
    return max(1, min(_LONGEST_BLOCK_MS, round(_BLOCK_CLICKS / scenario.clicks_per_ms)))


def blocks_of(scenario: Scenario) -> Iterator[Window]:
    """The period."""
    return _cut(scenario.period, block_ms(scenario))


def warm_up_of(scenario: Scenario, visitors: Visitors) -> Iterator[Window]:
    """Before these visitors' window, as long as a visit lasts."""
    start_ms = visitors.window.from_ms
    length_ms = max(1, round(_WARM_UP_CLICKS / scenario.clicks_per_ms))
    return _cut(Window(start_ms - visitors.longest_visit_ms, start_ms), length_ms)


def _cut(window: Window, length_ms: int) -> Iterator[Window]:
    for from_ms in range(*window, length_ms):
        yield Window(from_ms, min(from_ms + length_ms, window.until_ms))
