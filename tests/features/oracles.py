"""What the counters must say, written down as directly as possible, and the clicks to try them on."""

from collections.abc import Sequence

from hypothesis import strategies as st

from tests.builders import START_MS

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
TILES_MS = (10 * SECOND_MS, 100 * SECOND_MS, 10 * MINUTE_MS, 4 * HOUR_MS)
LONGEST_TILE_MS = TILES_MS[-1]
IDLE_MS = 7 * LONGEST_TILE_MS

# Times that meet in one tile, in one window, and out of reach of each other, often exactly at the edge of a tile.
times_ms = st.one_of(
    st.integers(0, 25_000),
    st.integers(0, 3 * HOUR_MS),
    st.integers(0, 60 * HOUR_MS),
    st.builds(
        lambda n, tile_ms, by: n * tile_ms + by, st.integers(1, 9), st.sampled_from(TILES_MS), st.integers(-1, 1)
    ),
).map(lambda offset_ms: START_MS + offset_ms)


def window_counts(clicks_ms: Sequence[int], now_ms: int) -> list[float]:
    """Six whole tiles, and of the seventh the share that has not passed."""
    counts = []
    for tile_ms in TILES_MS:
        ages = [now_ms // tile_ms - t_ms // tile_ms for t_ms in clicks_ms]
        passed = now_ms % tile_ms / tile_ms
        counts.append(sum(age < 6 for age in ages) + (1 - passed) * sum(age == 6 for age in ages))
    return counts


def occupied_slots(hits: Sequence[tuple[int, int]], now_ms: int) -> list[int]:
    """Slots hit within 1 h and 24 h, by (slot, time), in quanta of 6 minutes."""
    quantum = now_ms // (6 * MINUTE_MS)
    return [len({slot for slot, t_ms in hits if quantum - t_ms // (6 * MINUTE_MS) < age}) for age in (10, 240)]
