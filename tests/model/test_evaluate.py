"""Rates, intervals and the threshold at a budget, against oracles that cannot be wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import Refused
from contracts.rates import rate
from model.evaluate import (
    area_under_curve,
    certain_share,
    false_positive_rate,
    invalidation_rate,
    threshold_at_fpr,
)

scores_of_buyers = st.lists(st.integers(0, 20).map(lambda i: i / 20), min_size=1, max_size=60)
budgets = st.integers(0, 100).map(lambda percent: percent / 100)


def invalidated(scores: np.ndarray, threshold: float, by_rules: np.ndarray) -> int:
    return int(((scores >= threshold) | by_rules).sum())


@given(scores_of_buyers, budgets)
def test_the_budget_is_kept_and_the_next_lower_threshold_would_break_it(scores: list[float], budget: float) -> None:
    values = np.array(scores)

    threshold = threshold_at_fpr(values, budget)

    assert (values >= threshold).mean() <= budget + 1e-12
    lower = [value for value in sorted(set(scores), reverse=True) if value < threshold]
    if lower:
        assert (values >= lower[0]).mean() > budget


@given(st.lists(st.tuples(st.integers(0, 20).map(lambda i: i / 20), st.booleans()), min_size=1, max_size=60), budgets)
def test_what_rules_invalidate_counts_towards_the_budget(rows: list[tuple[float, bool]], budget: float) -> None:
    scores, by_rules = np.array([score for score, _ in rows]), np.array([fired for _, fired in rows])

    if by_rules.mean() > budget + 1e-12:
        with pytest.raises(Refused, match="rules alone"):
            threshold_at_fpr(scores, budget, by_rules)
        return
    threshold = threshold_at_fpr(scores, budget, by_rules)

    assert invalidated(scores, threshold, by_rules) / len(rows) <= budget + 1e-12


def test_ties_at_the_edge_of_the_budget_are_spared_together() -> None:
    scores = np.array([0.9, 0.8, 0.8, 0.8, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])

    threshold = threshold_at_fpr(scores, 0.2)

    assert threshold == 0.800001


def test_a_budget_of_nothing_spares_even_a_perfect_score() -> None:
    assert threshold_at_fpr(np.array([1.0, 0.5]), 0.0) == 1.000001


def test_a_budget_of_everything_invalidates_everything() -> None:
    assert threshold_at_fpr(np.array([0.0, 0.5]), 1.0) == 0.0


def test_without_purchasing_clicks_there_is_no_threshold() -> None:
    with pytest.raises(Refused, match="no purchasing click"):
        threshold_at_fpr(np.array([]), 0.05)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (30, 1000, 0.0211, 0.0425)],
)
def test_the_interval_is_wilsons(hits: int, of: int, low: float, high: float) -> None:
    found = rate(hits, of)

    assert found.low == pytest.approx(low, abs=1e-4)
    assert found.high == pytest.approx(high, abs=1e-4)


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_the_interval_holds_the_rate_and_stays_between_zero_and_one(hits: int, of: int) -> None:
    found = rate(min(hits, of), of)

    assert 0 <= found.low <= found.value <= found.high <= 1


@given(st.integers(1, 99).map(lambda percent: percent / 100), st.integers(1, 5000))
def test_the_certain_share_is_the_largest_whose_interval_ends_within_the_budget(budget: float, of: int) -> None:
    hits = int(np.floor(certain_share(budget, of) * of + 1e-9))

    assert hits < 0 or rate(hits, of).high <= budget + 1e-9
    assert rate(max(hits + 1, 0), of).high > budget - 1e-9


def test_of_nothing_nothing_is_known() -> None:
    found = rate(0, 0)

    assert np.isnan(found.value)
    assert (found.low, found.high) == (0.0, 1.0)


def test_the_false_positive_rate_counts_purchasing_clicks_alone() -> None:
    invalid = np.array([True, True, False, False])
    purchasing = np.array([True, False, True, False])

    assert invalidation_rate(invalid) == rate(2, 4)
    assert false_positive_rate(invalid, purchasing) == rate(1, 2)


@given(st.lists(st.tuples(st.integers(0, 5).map(float), st.booleans()), min_size=2, max_size=40))
def test_the_area_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[float, bool]]) -> None:
    scores, positive = np.array([score for score, _ in rows]), np.array([mark for _, mark in rows])

    area = area_under_curve(scores, positive)

    pairs = [(a, b) for a in scores[positive] for b in scores[~positive]]
    expected = np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs]) if pairs else float("nan")
    assert area == pytest.approx(expected, nan_ok=True)
