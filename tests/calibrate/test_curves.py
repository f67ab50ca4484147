"""Curves against counting, fits against every other quadratic, slices that lean on their parents."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibrate.curves import Curve, Fit, curve, fit
from calibrate.goals import Goals
from calibrate.slices import NEVER, Group, groups
from contracts.rates import one_sided_z, wilson
from contracts.scored import Scored
from tests.calibrate.clicks import PARENTS, SLICES, clicks_of, traffic

GOALS = Goals(fpr_budget=0.05, parents=PARENTS)
grid_scores = st.integers(0, 10).map(lambda step: step / 10)
rows = st.lists(st.tuples(grid_scores, st.booleans(), st.booleans()), min_size=1, max_size=40)


def curve_of(scored: Scored) -> Curve:
    """Of all clicks, with no allowance for chance."""
    return curve(Group.of("all", scored, 5, None), Goals(fpr_budget=0.05, thin_below=0))


@given(rows)
def test_a_curve_counts_what_each_threshold_invalidates(rows: list[tuple[float, bool, bool]]) -> None:
    scored = clicks_of(*map(list, zip(*rows, strict=True)))

    found = curve_of(scored)

    for threshold, fpr, ivr in zip(found.threshold, found.fpr, found.ivr, strict=True):
        invalid = scored.invalid({"all": threshold})
        bought = scored.purchasing.sum()
        assert ivr == pytest.approx(invalid.mean())
        assert fpr == pytest.approx((invalid & scored.purchasing).sum() / bought if bought else 0)
    assert (np.diff(found.ivr) > 0).all(), "a step that changes nothing"


@given(rows, st.floats(0, 1))
def test_the_threshold_of_an_fpr_is_the_lowest_that_is_not_above_it(
    rows: list[tuple[float, bool, bool]], fpr: float
) -> None:
    found = curve_of(clicks_of(*map(list, zip(*rows, strict=True))))

    place = found.at(fpr)

    assert found.fpr[place] <= fpr + 1e-9 or place == 0
    assert (found.fpr[place + 1 :] > fpr).all()


def test_ties_are_never_split() -> None:
    found = curve_of(clicks_of([0.9, 0.9, 0.5], [True, False, True]))

    assert found.threshold.tolist() == [NEVER, 0.9, 0.5]
    assert found.fpr.tolist() == [0, 0.5, 1]


@given(rows, st.floats(0, 1))
def test_the_floor_is_reached_at_the_highest_threshold_that_covers_it(
    rows: list[tuple[float, bool, bool]], floor: float
) -> None:
    found = curve_of(clicks_of(*map(list, zip(*rows, strict=True))))
    assert found.coverage is not None

    place = found.covering(floor)

    assert found.coverage[place] >= floor - 1e-9
    assert (found.coverage[:place] < floor).all()


def test_the_knee_is_the_point_farthest_from_the_chord() -> None:
    x = np.array([0.0, 0.1, 0.5, 1.0])
    found = Curve(np.array([NEVER, 0.8, 0.5, 0.1]), x, np.array([0.0, 0.6, 0.8, 1.0]), None)

    assert found.knee() == 1


@given(st.integers(0, 2**32 - 1), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_no_other_concave_rising_quadratic_is_nearer(seed: int, da: float, dd: float, dc: float) -> None:
    chance = np.random.default_rng(seed)
    y = np.sort(chance.random(30)) ** chance.choice([0.3, 1.0, 3.0])
    stepped = Curve(np.linspace(1, 0, 30), np.linspace(0, 1, 30), y, None)
    low, high = 0.1, 0.7

    found = fit(stepped, low, high)

    assert found.c >= 0
    assert found.b - 2 * found.c * high >= -1e-9
    end_slope = max(0.0, found.b - 2 * found.c * high + dd)
    bend = max(0.0, found.c + dc)
    other = Fit(found.a + da, end_slope + 2 * bend * high, bend)
    assert error(stepped, found, low, high) <= error(stepped, other, low, high) + 1e-9


def error(stepped: Curve, quadratic: Fit, low: float, high: float) -> float:
    x = np.linspace(low, high, 101)
    return float(sum((quadratic(v) - stepped.ivr[stepped.at(v)]) ** 2 for v in x.tolist()))


def test_a_true_quadratic_is_found_again() -> None:
    x = np.linspace(0, 0.5, 50_001)
    stepped = Curve(np.linspace(1, 0, len(x)), x, 0.2 + 1.5 * x - 1.2 * x * x, None)

    found = fit(stepped, 0.0, 0.5)

    assert found == pytest.approx((0.2, 1.5, 1.2), abs=1e-3)


def test_a_range_of_nothing_gives_a_constant() -> None:
    found = fit(curve_of(clicks_of([0.9, 0.1], [True, True])), 0.5, 0.5)

    assert found == Fit(0.5, 0.0, 0.0)


def test_the_fpr_of_a_slice_leans_on_its_parent_by_the_formula() -> None:
    scored = traffic(clicks={"app|user": 300, "web|user": 4000, "web|guest": 4000})
    group = groups(scored, GOALS)["app|user"]
    parent = group.parent
    assert parent is not None
    at = np.array([0.4])

    found = group.fpr(at, 50.0)

    own = scored.purchasing & (scored.slice_index == SLICES.index("app|user"))
    hits, n = (scored.invalid(dict.fromkeys(SLICES, 0.4)) & own).sum(), own.sum()
    assert found == pytest.approx((hits + 50 * parent.fpr(at, 50.0)) / (n + 50))
    assert n == len(group.purchasing) < GOALS.thin_below


def test_a_thin_slice_is_judged_by_an_upper_bound_and_a_rich_one_by_its_mean() -> None:
    found = groups(traffic(clicks={"app|user": 100, "web|guest": 6000}), GOALS)
    at = np.array([0.5])

    thin, rich = found["app|user"], found["web|guest"]

    mean, worth = thin.fpr(at, 200.0), thin.worth(200.0)
    assert thin.careful_fpr(at, GOALS) == pytest.approx(wilson(float(mean[0]), worth, one_sided_z(0.95)))
    assert rich.careful_fpr(at, GOALS) == pytest.approx(rich.fpr(at, 200.0))


def test_a_slice_without_clicks_has_the_curve_of_its_parent() -> None:
    found = groups(traffic(clicks={"app|user": 5000, "web|guest": 5000}), GOALS)

    empty = curve(found["web|user"], GOALS)

    parent = curve(Group.of("user", traffic(clicks={"app|user": 5000}), 5, None), GOALS)
    assert len(found["web|user"].all_scores) == 0
    assert empty.ivr[-1] == 1
    assert len(empty.threshold) == pytest.approx(len(parent.threshold), rel=0.2)
