"""From slices to FPRs and thresholds: the program, solved on fits that come nearer and nearer."""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from calibrate.curves import fit
from calibrate.program import Program, solve
from calibrate.slices import Vector
from calibrate.thresholds import Slice

# How often curves are fitted again, each time on half the range around what was chosen before.
_ROUNDS: Final = 8


class Choice(NamedTuple):
    """FPRs of the slices, (S,), what they come to, and the thresholds that they give; a price if it was solved for."""

    spendable: float
    price: float | None
    fpr: Vector
    thresholds: dict[str, float]


def refined(slices: list[Slice], solve_on: Callable[[list[Slice]], Choice | None]) -> Choice:
    """What finds most on the empirical curves; the lowest FPRs where there is no room for more.

    A quadratic over the whole range misses the steep beginning of a real curve. So `solve_on` is asked again with fits
    on half the range around the last choice, and again.
    """
    best = lowest(slices)
    near = slices
    for round_ in range(_ROUNDS):
        found = solve_on(near)
        if found is None:
            break
        best = max(best, found, key=lambda choice: _ivr(slices, choice))
        near = [_narrowed(s, x, 0.5 ** (round_ + 1)) for s, x in zip(slices, best.fpr.tolist(), strict=True)]
    return best


def solved(slices: list[Slice], spendable: float) -> Choice | None:
    """The program's choice when it may spend so much; None if the lowest FPRs are more."""
    if lowest_fpr(slices) > spendable:
        return None
    solution = solve(program_of(slices, spendable))
    return choice_of(slices, solution.fpr)._replace(spendable=spendable, price=solution.price)


def choice_of(slices: list[Slice], fpr: Vector) -> Choice:
    """FPRs, (S,), and their thresholds; a slice without purchasing clicks costs nothing, and has all it may have."""
    given = np.array([s.hi if s.h == 0 else x for s, x in zip(slices, fpr.tolist(), strict=True)])
    thresholds = {s.name: s.threshold(x) for s, x in zip(slices, given.tolist(), strict=True)}
    return Choice(float(program_of(slices, 0.0).h @ given), None, given, thresholds)


def lowest(slices: list[Slice]) -> Choice:
    """What invalidates least: the highest thresholds that reach the floors."""
    thresholds = {s.name: float(s.curve.threshold[s.floor_place]) for s in slices}
    return Choice(lowest_fpr(slices), None, program_of(slices, 0.0).lo, thresholds)


def lowest_fpr(slices: list[Slice]) -> float:
    """The combined FPR of what rules and floors invalidate at least: Σ h lo."""
    program = program_of(slices, 0.0)
    return float(program.h @ program.lo)


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


def _narrowed(slice_: Slice, fpr: float, part: float) -> Slice:
    """The slice with a fit on `part` of its range around an FPR, and bound to it."""
    reach = (slice_.hi - slice_.lo) * part / 2
    lo, hi = max(slice_.lo, fpr - reach), min(slice_.hi, fpr + reach)
    return slice_._replace(lo=lo, hi=hi, fit=fit(slice_.curve, lo, hi))


def _ivr(slices: list[Slice], choice: Choice) -> float:
    """Combined IVR by the empirical curves."""
    return sum(s.w * float(s.curve.ivr[s.curve.place_of(choice.thresholds[s.name])]) for s in slices)
