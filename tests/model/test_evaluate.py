"""Metrics against counting one click after another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.rates import rate
from contracts.scored import Scored
from model.evaluate import HOURS_OF_WEEK, area_under_curve, evaluate

THRESHOLDS = {"a": 0.5, "b": 0.8}


def scored(seed: int, n: int = 60) -> Scored:
    chance = np.random.default_rng(seed)
    return Scored(
        slices=("a", "b"),
        score=chance.integers(0, 11, n) / 10,
        slice_index=chance.integers(0, 2, n).astype(np.int16),
        purchasing=chance.random(n) < 0.4,
        by_rules=chance.random(n) < 0.1,
        session_clicks_1h=chance.integers(1, 10, n).astype(np.float32),
        hour_of_week=chance.integers(0, HOURS_OF_WEEK, n).astype(np.int16),
        clicked_at_ms=np.arange(n, dtype=np.int64),
        kinds=("human", "burst", "crawler"),
        kind_index=chance.integers(0, 2, n).astype(np.int16),
    )


@given(st.integers(0, 10_000), st.sampled_from([0.0, 5.0, 7.0]))
def test_every_rate_is_that_of_counting(seed: int, busy_over: float) -> None:
    clicks = scored(seed)

    found = evaluate(clicks, THRESHOLDS, busy_over)

    invalid = [
        ruled or score >= THRESHOLDS["ab"[place]]
        for ruled, score, place in zip(clicks.by_rules, clicks.score, clicks.slice_index, strict=True)
    ]
    bought = [lost for lost, buyer in zip(invalid, clicks.purchasing, strict=True) if buyer]
    busy = [lost for lost, count in zip(invalid, clicks.session_clicks_1h, strict=True) if count > busy_over]
    assert found.overall.ivr == rate(sum(invalid), len(invalid))
    assert (found.overall.fpr.hits, found.overall.fpr.of) == (sum(bought), len(bought))
    assert (found.overall.coverage.hits, found.overall.coverage.of) == (sum(busy), len(busy))


@given(st.integers(0, 10_000))
def test_slices_hours_and_kinds_add_up_to_all_clicks(seed: int) -> None:
    found = evaluate(scored(seed), THRESHOLDS)

    for parts in (found.slices.values(), found.hours_of_week):
        assert sum(part.ivr.hits for part in parts) == found.overall.ivr.hits
        assert sum(part.fpr.of for part in parts) == found.overall.fpr.of
        assert sum(part.coverage.of for part in parts) == found.overall.coverage.of
    assert sum(share.hits for share in found.recall.values()) == found.overall.ivr.hits
    assert len(found.hours_of_week) == HOURS_OF_WEEK


def test_a_slice_is_judged_by_its_own_threshold_ties_included() -> None:
    clicks = scored(1)._replace(score=np.full(60, 0.5), by_rules=np.zeros(60, bool))

    found = evaluate(clicks, THRESHOLDS)

    assert found.slices["a"].ivr.value == 1
    assert found.slices["b"].ivr.value == 0


def test_kinds_without_a_click_and_unknown_kinds_have_no_recall() -> None:
    assert set(evaluate(scored(1), THRESHOLDS).recall) == {"human", "burst"}
    assert evaluate(scored(1)._replace(kinds=None, kind_index=None), THRESHOLDS).recall == {}


def test_a_slice_without_a_threshold_is_an_error() -> None:
    with pytest.raises(KeyError):
        evaluate(scored(1), {"a": 0.5})


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


def test_of_nothing_nothing_is_known() -> None:
    found = rate(0, 0)

    assert np.isnan(found.value)
    assert (found.low, found.high) == (0.0, 1.0)


@given(st.lists(st.tuples(st.integers(0, 5).map(float), st.booleans()), min_size=2, max_size=40))
def test_the_area_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[float, bool]]) -> None:
    scores, positive = np.array([score for score, _ in rows]), np.array([mark for _, mark in rows])

    area = area_under_curve(scores, positive)

    pairs = [(a, b) for a in scores[positive] for b in scores[~positive]]
    expected = np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs]) if pairs else float("nan")
    assert area == pytest.approx(expected, nan_ok=True)
