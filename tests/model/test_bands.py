"""Bands hold what the days to come do, and are wide where little was seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.scored import HOURS_OF_WEEK, Scored
from contracts.verdicts import Band
from model.bands import bands
from tests.calibrate.clicks import DAY_MS, HOUR_MS, SLICES, START_MS, traffic

CUT = dict.fromkeys(SLICES, 0.6)
EVERYTHING = Band(0.0, 1.0)


def wide(band: Band) -> float:
    return band.high - band.low


def swaying(seed: int, days: int, start_ms: int = START_MS, per_slice: int = 20_000) -> Scored:
    """Traffic whose share of robots goes up and down with the hour, and differs from day to day."""
    chance = np.random.default_rng(seed)
    clicks = traffic(seed, dict.fromkeys(SLICES, per_slice * days), days, start_ms, robots=0.0, ruled=0.0)
    hour = clicks.clicked_at_ms // HOUR_MS
    mood = chance.normal(0, 0.03, 10_000)[clicks.clicked_at_ms // DAY_MS % 10_000]
    robots = chance.random(len(hour)) < 0.2 + 0.1 * np.cos(2 * np.pi * (hour % 24) / 24) + mood
    return clicks._replace(score=np.where(robots, 0.9, 0.1), purchasing=clicks.purchasing & ~robots)


def outside(found: dict[str, tuple[Band, ...]], later: Scored) -> tuple[int, int]:
    """Hours of later days whose share lies outside its band, and how many hours there are."""
    invalid, hours = later.invalid(CUT), later.clicked_at_ms // HOUR_MS
    out = total = 0
    for index, name in enumerate(SLICES):
        for hour in np.unique(hours):
            inside = (later.slice_index == index) & (hours == hour)
            band, share = found[name][(int(hour) - 96) % HOURS_OF_WEEK], invalid[inside].mean()
            out, total = out + (not band.low <= share <= band.high), total + 1
    return out, total


@pytest.mark.parametrize("seed", range(4))
def test_hours_of_later_days_lie_in_their_bands(seed: int) -> None:
    held_out, later = swaying(seed, 4), swaying(seed + 100, 7, START_MS + 7 * DAY_MS)

    found = bands(held_out, CUT, 5.0)

    out, total = outside({name: slice_.ivr for name, slice_ in found.items()}, later)
    assert out <= 0.05 * total
    assert max(wide(band) for band in found["app|user"].ivr) < 0.7  # wide enough, and not everything


def test_a_release_that_does_something_else_leaves_its_bands() -> None:
    found = bands(swaying(1, 4), CUT, 5.0)

    later = swaying(2, 7, START_MS + 7 * DAY_MS)
    halved = later._replace(score=np.where(np.arange(len(later.score)) % 2, 0.9, later.score))

    out, total = outside({name: slice_.ivr for name, slice_ in found.items()}, halved)
    assert out > 0.95 * total


def test_hours_are_those_of_utc() -> None:
    """Clicks of Tuesday 3:00 UTC alone are all invalid."""
    clicks = traffic(1, {"app|user": 40_000}, 7)
    tuesday_3 = 27
    there = (clicks.clicked_at_ms - START_MS) // HOUR_MS == tuesday_3
    local = np.zeros_like(clicks.hour_of_week)  # what the clock showed where they were made is another matter

    found = bands(clicks._replace(score=np.where(there, 0.9, 0.1), hour_of_week=local), CUT, 5.0)["app|user"].ivr

    highest = max(range(HOURS_OF_WEEK), key=lambda hour: found[hour].high)
    assert highest == tuesday_3


def test_an_hour_that_was_hardly_or_never_seen_has_a_wider_band() -> None:
    clicks = swaying(3, 7)
    at = (clicks.clicked_at_ms - START_MS) // HOUR_MS
    chance = np.random.default_rng(1)
    kept = (at != 50) & ((at != 51) | (chance.random(len(at)) < 0.02))

    found = bands(clicks.rows(kept), CUT, 5.0)["app|user"].ivr

    assert min(wide(found[50]), wide(found[51])) > 1.2 * wide(found[52])


def test_a_slice_without_clicks_is_expected_to_do_anything() -> None:
    found = bands(traffic(1, {"app|user": 1_000}), CUT, 5.0)["web|guest"]

    assert set(found.ivr) == {EVERYTHING}
    assert found.coverage == found.fpr == EVERYTHING


def test_coverage_is_of_busy_clicks_and_fpr_of_purchasing_ones() -> None:
    clicks = swaying(1, 4)
    busy = clicks.session_clicks_1h > 5.0
    score = np.where(busy, 0.9, np.where(clicks.purchasing, 0.1, clicks.score))

    found = bands(clicks._replace(score=score, purchasing=clicks.purchasing & ~busy), CUT, 5.0)["app|user"]

    assert found.coverage.low > 0.9
    assert found.fpr.high < 0.1


@given(
    st.lists(st.tuples(st.integers(0, 14 * 24 - 1), st.booleans(), st.booleans()), min_size=1, max_size=40),
    st.floats(0, 2),
)
def test_bands_are_shares_that_hold_what_was_seen(rows: list[tuple[int, bool, bool]], threshold: float) -> None:
    at, robot, purchasing = map(np.array, zip(*rows, strict=True))
    clicks = traffic(1, {"app|user": len(rows)})._replace(
        clicked_at_ms=START_MS + at.astype(np.int64) * HOUR_MS,
        score=np.where(robot, 0.9, 0.1),
        purchasing=purchasing.astype(bool),
    )

    found = bands(clicks, dict.fromkeys(SLICES, threshold), 5.0)["app|user"]

    share = clicks.invalid(dict.fromkeys(SLICES, threshold)).mean()
    assert len(found.ivr) == HOURS_OF_WEEK
    assert all(0 <= band.low <= band.high <= 1 for band in (*found.ivr, found.coverage, found.fpr))
    never_seen = [found.ivr[hour] for hour in range(HOURS_OF_WEEK) if hour not in set((at % HOURS_OF_WEEK).tolist())]
    assert all(band.low <= share <= band.high for band in never_seen)
