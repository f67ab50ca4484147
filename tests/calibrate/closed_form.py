"""The program solved on paper: the oracle of `calibrate.program`.

For a price λ of human loss, each slice takes the FPR where its marginal IVR w (b - 2 c x) equals λ h, clamped to its
bounds. The higher the price the less they take: the price at which they take the budget is found by bisection.
"""

import numpy as np

from calibrate.program import Program
from calibrate.slices import Vector


def feasible(program: Program) -> bool:
    """Whether the lower bounds fit into the budget."""
    return float(program.h @ program.lo) <= program.budget


def water_filling(program: Program) -> Vector:
    """The best FPR of each slice, (S,). Ties between straight lines (c = 0) are filled in the order of slices."""
    if program.h @ taken(program, 0.0) <= program.budget:
        return taken(program, 0.0)
    low, high = 0.0, 1.0
    while program.h @ taken(program, high) > program.budget:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if program.h @ taken(program, middle) > program.budget else (low, middle)
    below, above = taken(program, high), taken(program, low)
    return poured(program, below, above)


def taken(program: Program, price: float) -> Vector:
    """What each slice takes at a price: (S,)."""
    slope, bend = program.w * program.b - price * program.h, 2 * program.w * program.c
    with np.errstate(divide="ignore", invalid="ignore"):
        best = np.where(bend > 0, slope / bend, np.where(slope > 0, np.inf, -np.inf))
    return np.clip(best, program.lo, program.hi)


def poured(program: Program, below: Vector, above: Vector) -> Vector:
    """What is left of the budget goes to the slices that jump at the price: straight lines of equal worth."""
    x = below.copy()
    left = program.budget - program.h @ x
    for s in np.flatnonzero(above > below):
        more = min(above[s] - below[s], left / program.h[s]) if program.h[s] > 0 else above[s] - below[s]
        x[s] += more
        left -= more * program.h[s]
    return x
