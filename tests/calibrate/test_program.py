"""The solver agrees with the closed form, over thousands of random programs with all their odd cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibrate.program import Program, solve
from contracts.errors import Refused
from tests.calibrate.closed_form import feasible, water_filling

CLOSE = 1e-6
shares = st.floats(0.001, 1.0)


@st.composite
def programs(
    draw: st.DrawFn,
    bends: st.SearchStrategy[float],
    losses: st.SearchStrategy[float],
    end_slopes: st.SearchStrategy[float],
) -> Program:
    """Programs of 1 to 10 slices, whose curves rise up to the end of their range."""
    size = draw(st.integers(1, 10))

    def column(values: st.SearchStrategy[float]) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=size, max_size=size)))

    lo = column(st.sampled_from([0.0, 0.001, 0.01, 0.05]))
    hi = lo + column(st.sampled_from([0.0, 0.001, 0.05, 0.3, 0.9]))
    w, h, c = column(shares), column(losses), column(bends)
    b = column(end_slopes) + 2 * c * hi
    return Program(w / w.sum(), h / max(1.0, h.sum()), b, c, lo, hi, draw(st.floats(0, 0.5)))


# Curves as calibration fits them: an IVR of up to 1 reached over an FPR of a few per cent.
strictly_concave = programs(st.floats(0.1, 200), shares, st.floats(0.1, 20))
# The slope vanishes just at a bound.
flat_at_the_end = programs(st.floats(0.1, 200), shares, st.just(0.0))
anything = programs(st.just(0.0) | st.floats(0.001, 200), st.just(0.0) | shares, st.floats(0, 20))


@settings(max_examples=500)
@given(strictly_concave | flat_at_the_end)
def test_the_solution_is_the_closed_form_where_there_is_only_one(program: Program) -> None:
    if not feasible(program):
        with pytest.raises(Refused):
            solve(program)
        return

    found = solve(program).fpr

    assert found == pytest.approx(water_filling(program), abs=CLOSE)


@settings(max_examples=500)
@given(anything)
def test_the_solution_is_as_good_as_the_closed_form_where_there_are_several(program: Program) -> None:
    if not feasible(program):
        with pytest.raises(Refused):
            solve(program)
        return

    found = solve(program).fpr

    assert program.gain(found) == pytest.approx(program.gain(water_filling(program)), abs=CLOSE)
    assert program.h @ found <= program.budget + CLOSE
    assert (found >= program.lo).all()
    assert (found <= program.hi).all()


def test_slices_within_their_bounds_pay_the_same_price() -> None:
    program = Program(*np.array([[0.7, 0.3], [0.4, 0.6], [5.0, 4.0], [20.0, 10.0], [0.0, 0.0], [0.1, 0.1]]), 0.05)

    solution = solve(program)

    marginal = program.w * (program.b - 2 * program.c * solution.fpr) / program.h
    inside = (solution.fpr > 1e-4) & (solution.fpr < 0.1 - 1e-4)
    assert inside.any()
    assert marginal[inside] == pytest.approx(solution.price, abs=1e-4)


def test_equal_straight_lines_share_the_budget_somehow() -> None:
    program = Program(*np.array([[0.5, 0.5], [0.5, 0.5], [2.0, 2.0], [0.0, 0.0], [0.0, 0.0], [0.1, 0.1]]), 0.05)

    found = solve(program).fpr

    assert found.sum() == pytest.approx(0.1, abs=CLOSE)


def test_a_slice_without_purchasing_clicks_costs_nothing_and_takes_all_it_may() -> None:
    program = Program(*np.array([[0.5, 0.5], [0.0, 1.0], [2.0, 2.0], [1.0, 1.0], [0.0, 0.0], [0.2, 0.2]]), 0.05)

    found = solve(program).fpr

    assert found == pytest.approx([0.2, 0.05], abs=CLOSE)
