"""The bound on unseen time: what it counts, and how often it holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibrate.bound import design_effect, upper_bound
from contracts.rates import one_sided_z, wilson
from tests.calibrate.clicks import DAY_MS, HOUR_MS, START_MS


def spread(n: int, days: float) -> np.ndarray:
    return START_MS + (np.arange(n) * days * DAY_MS / n).astype(np.int64)


def flags(n: int, hits: int) -> np.ndarray:
    """Hits spread evenly."""
    return np.diff(np.arange(n + 1) * hits // n).astype(bool)


def test_quantiles_are_those_of_the_tables() -> None:
    assert one_sided_z(0.95) == pytest.approx(1.6449, abs=1e-4)
    assert one_sided_z(0.95, 5) == pytest.approx(2.015, abs=0.01)
    assert one_sided_z(0.95, 23) == pytest.approx(1.7139, abs=1e-3)
    assert one_sided_z(0.99, 7) == pytest.approx(2.998, abs=0.02)


def test_independent_clicks_have_no_design_effect_and_bunched_ones_have_theirs() -> None:
    hours = np.repeat(np.arange(48), 10)

    even, _ = design_effect(flags(480, 48), hours)
    bunched, blocks = design_effect(hours % 10 == 0, hours)

    assert even == 1
    assert blocks == 48
    assert bunched == pytest.approx(10 * 48 / 47)


def test_of_no_loss_at_all_the_bound_is_still_above_zero() -> None:
    assert upper_bound(flags(100, 0), spread(100, 2), 0.95) == pytest.approx(
        wilson(0.0, 100, one_sided_z(0.95, 47)), rel=0.01
    )


def test_of_no_purchase_anything_may_follow() -> None:
    assert upper_bound(flags(1, 0)[:0], spread(1, 1)[:0], 0.95) == 1


@given(st.integers(50, 2000), st.floats(0.01, 0.3), st.floats(0.5, 20))
def test_a_shorter_horizon_and_spared_clicks_raise_the_bound(n: int, share: float, days: float) -> None:
    lost, at_ms = flags(n, int(share * n)), spread(n, days)

    long_run = upper_bound(lost, at_ms, 0.95)

    assert lost.mean() < long_run < upper_bound(lost, at_ms, 0.95, horizon_days=2)
    assert long_run < upper_bound(lost, at_ms, 0.95, spared=1)
    assert long_run < upper_bound(lost, at_ms, 0.99)


def test_the_bound_holds_for_the_next_days_as_often_as_it_says() -> None:
    """4,000 pairs of weeks with hours that differ: their FPR is drawn anew each hour, variance that of D = 2 about."""
    chance = np.random.default_rng(5)
    held = []
    at_ms = START_MS + np.repeat(np.arange(7 * 24), 12) * HOUR_MS
    for _ in range(4000):
        hours = chance.beta(0.05 * 10, 0.95 * 10, (2, 7 * 24)).repeat(12, axis=1)
        first, second = chance.random(hours.shape) < hours
        held.append(second.mean() <= upper_bound(first, at_ms, 0.95, horizon_days=7))

    assert 0.94 <= np.mean(held) <= 0.98
