"""Spending the budget: less of it than there is, so that what is chosen shows the budget to hold.

    once       the program on these clicks, spending as much as still shows the budget to hold
    drawn      the program for each of some draws of other purchases, spending as much as that
    chosen     as far from the lowest FPRs towards the mean of what was drawn, and beyond, as shows the budget to hold

A choice is the best of many for the purchases that happened to be made. Chance so gives a slice a threshold that loses
in the week that follows. For other purchases chance chooses otherwise, and the mean does not have it: bagging (Breiman,
Bagging Predictors, 1996). The slices' bounds are ranges, and a mean of choices within them is within them too.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from calibrate.bound import upper_bound
from calibrate.choices import Choice, choice_of, lowest, lowest_fpr, program_of, refined, solved
from calibrate.goals import Goals
from calibrate.redrawing import redrawn
from calibrate.slices import Vector
from calibrate.thresholds import Slice, spared
from contracts.scored import Scored

# Halvings of a range of FPRs: to a thousandth of a per cent and better.
_HALVINGS: Final = 12
_DRAWS: Final = 32
# How many times as far as the mean of what was drawn a choice may go.
_BEYOND: Final = 2.0


def choose(slices: list[Slice], scored: Scored, goals: Goals) -> Choice:
    """The choice of a high IVR, whatever chance dealt, whose bound of the overall FPR is within the budget.

    The lowest FPRs must be within the budget (`calibrate.refusals`).
    """
    once = refined(slices, lambda near: _most(near, scored, goals))
    drawn = [
        refined(draw, lambda near: solved(near, once.spendable)) for draw in redrawn(slices, scored, goals, _DRAWS)
    ]
    mean = np.mean([_fpr(slices, choice) for choice in drawn], axis=0)
    return _along(slices, mean, scored, goals)._replace(price=once.price)


def bound(slices: list[Slice], scored: Scored, thresholds: dict[str, float], goals: Goals) -> float:
    """Upper bound of the overall FPR of thresholds read off these clicks, for the horizon that follows."""
    lost = scored.invalid(thresholds)[scored.purchasing]
    at_ms = scored.clicked_at_ms[scored.purchasing]
    return upper_bound(lost, at_ms, goals.confidence, goals.horizon_days, spared(slices, thresholds, goals))


def _most(slices: list[Slice], scored: Scored, goals: Goals) -> Choice | None:
    """The choice that spends most and still shows the budget to hold; None if none of them does."""
    low, high = lowest_fpr(slices), goals.fpr_budget
    return _farthest(low, high, high, lambda spent: solved(slices, spent), _holds(slices, scored, goals))


def _along(slices: list[Slice], fpr: Vector, scored: Scored, goals: Goals) -> Choice:
    """As far from the lowest FPRs towards `fpr`, (S,), and beyond, as shows the budget to hold."""
    program = program_of(slices, 0.0)

    def at(part: float) -> Choice:
        return choice_of(slices, np.clip(program.lo + part * (fpr - program.lo), program.lo, program.hi))

    return _farthest(0.0, _BEYOND, _BEYOND / 2, at, _holds(slices, scored, goals)) or lowest(slices)


def _farthest(
    low: float, high: float, first: float, at: Callable[[float], Choice | None], holds: Callable[[Choice], bool]
) -> Choice | None:  # fmt: skip
    """The last choice that holds on the way from `low` to `high`, by halving from `first` on; None if none does."""
    best, tried = None, first
    for _ in range(_HALVINGS):
        choice = at(tried)
        if choice is None:
            break
        if holds(choice):
            best, low = choice, tried
        else:
            high = tried
        tried = (low + high) / 2
    return best


def _holds(slices: list[Slice], scored: Scored, goals: Goals) -> Callable[[Choice], bool]:
    return lambda choice: bound(slices, scored, choice.thresholds, goals) <= goals.fpr_budget


def _fpr(slices: list[Slice], choice: Choice) -> Vector:
    """What the thresholds of a choice lose of these slices, (S,)."""
    return np.array([s.curve.fpr[s.curve.place_of(choice.thresholds[s.name])] for s in slices])
