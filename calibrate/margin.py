"""Spending the budget: the program is given less than the budget, so that what it chooses shows the budget to hold."""

from typing import NamedTuple

import numpy as np

from calibrate.bound import upper_bound
from calibrate.curves import fit
from calibrate.goals import Goals
from calibrate.program import Program, solve
from calibrate.slices import Vector
from calibrate.thresholds import Slice, spared
from contracts.scored import Scored

# Halvings of the range between the lowest FPR and the budget: to a thousandth of a per cent and better.
_HALVINGS = 12
# How often curves are fitted again, each time on half the range around what was chosen before.
_ROUNDS = 4


class Choice(NamedTuple):
    """FPRs that the program chose, (S,), when it could spend `spendable`, and the thresholds they gave."""

    spendable: float
    price: float | None
    fpr: Vector
    thresholds: dict[str, float]


def choose(slices: list[Slice], scored: Scored, goals: Goals) -> Choice:
    """The choice of the highest IVR whose bound of the overall FPR is within the budget.

    A quadratic over the whole range misses the steep beginning of a real curve. So the program is solved again with
    fits on half the range around the last choice, and again, and what finds most on the empirical curves is kept. The
    lowest FPRs must be within the budget (`calibrate.refusals`).
    """
    best = Choice(lowest_fpr(slices), None, program_of(slices, 0.0).lo, lowest_thresholds(slices))
    near = slices
    for round_ in range(_ROUNDS):
        found = _spent(near, scored, goals)
        if found is None:
            break
        best = max(best, found, key=lambda choice: _ivr(slices, choice))
        near = [_narrowed(s, x, 0.5 ** (round_ + 1)) for s, x in zip(slices, best.fpr.tolist(), strict=True)]
    return best


def _spent(slices: list[Slice], scored: Scored, goals: Goals) -> Choice | None:
    """The choice that spends most and still shows the budget to hold, by halving; None if none of them does."""
    best: Choice | None = None
    low, high = lowest_fpr(slices), goals.fpr_budget
    tried = high
    for _ in range(_HALVINGS):
        if tried < low:
            break
        choice = _solved(slices, tried)
        if bound(slices, scored, choice.thresholds, goals) <= goals.fpr_budget:
            best, low = choice, tried
        else:
            high = tried
        tried = (low + high) / 2
    return best


def _narrowed(slice_: Slice, fpr: float, part: float) -> Slice:
    """The slice with a fit on `part` of its range around an FPR, and bound to it."""
    reach = (slice_.hi - slice_.lo) * part / 2
    lo, hi = max(slice_.lo, fpr - reach), min(slice_.hi, fpr + reach)
    return slice_._replace(lo=lo, hi=hi, fit=fit(slice_.curve, lo, hi))


def _ivr(slices: list[Slice], choice: Choice) -> float:
    """Combined IVR by the empirical curves."""
    return sum(s.w * float(s.curve.ivr[s.curve.place_of(choice.thresholds[s.name])]) for s in slices)


def program_of(slices: list[Slice], budget: float) -> Program:
    """The numbers of the program; slices that lose nobody (h = 0) are in it and cost nothing."""

    def column(values: list[float]) -> Vector:
        return np.array(values, np.float64)

    return Program(
        w=column([s.w for s in slices]),
        h=column([s.h for s in slices]),
        b=column([s.fit.b for s in slices]),
        c=column([s.fit.c for s in slices]),
        lo=column([s.lo for s in slices]),
        hi=column([s.hi for s in slices]),
        budget=budget,
    )


def lowest_fpr(slices: list[Slice]) -> float:
    """The combined FPR of what rules and floors invalidate at least: Σ h lo."""
    program = program_of(slices, 0.0)
    return float(program.h @ program.lo)


def bound(slices: list[Slice], scored: Scored, thresholds: dict[str, float], goals: Goals) -> float:
    """Upper bound of the overall FPR of thresholds read off these clicks, for the horizon that follows."""
    lost = scored.invalid(thresholds)[scored.purchasing]
    at_ms = scored.clicked_at_ms[scored.purchasing]
    return upper_bound(lost, at_ms, goals.confidence, goals.horizon_days, spared(slices, thresholds, goals))


def lowest_thresholds(slices: list[Slice]) -> dict[str, float]:
    """The highest thresholds that reach the floors: what invalidates least."""
    return {s.name: float(s.curve.threshold[s.floor_place]) for s in slices}


def _solved(slices: list[Slice], spendable: float) -> Choice:
    solution = solve(program_of(slices, spendable))
    # A slice without purchasing clicks costs nothing, so that the program says nothing where it gains nothing either.
    fpr = [s.hi if s.h == 0 else x for s, x in zip(slices, solution.fpr.tolist(), strict=True)]
    solution.fpr[:] = fpr
    thresholds = {s.name: s.threshold(x) for s, x in zip(slices, fpr, strict=True)}
    return Choice(spendable, solution.price, solution.fpr, thresholds)
