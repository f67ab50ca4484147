"""The convex program, as on paper. The only import of cvxpy.

    maximise    Σ w_s (a_s + b_s x_s - c_s x_s²)        combined IVR;  w_s: share of clicks
    subject to  Σ h_s x_s <= budget                     combined FPR;  h_s: share of purchasing clicks
                lo_s <= x_s <= hi_s                     coverage floors, caps

over the FPR x_s of each slice, with c_s >= 0. At its optimum all slices strictly within their bounds give the same
marginal IVR per unit of human loss, w_s (b_s - 2 c_s x_s) / h_s = λ: the price of the budget.
"""

import warnings
from functools import lru_cache
from typing import Final, NamedTuple

import cvxpy as cp
import numpy as np
import numpy.typing as npt

from calibrate.slices import Vector
from contracts.errors import Refused

# Closer than the default of an interior-point method, since the price must tell who is at a bound. What rounding keeps
# from the first of these is solved by the next.
_GAPS: Final = (1e-12, 1e-10, 1e-8)
# Less room than this, in units of the costliest slice's range, is none: a solver needs an inside to move in.
_NO_ROOM: Final = 1e-9
_ROUNDING: Final = 1e-11
# A price is known this well, of straight lines that differ by less than it cannot say which is better.
_NEAR: Final = 1e-7
_TOO_LITTLE = "The slices' lower bounds exceed the overall FPR budget. Raise the budget or lower the floors."


class Program(NamedTuple):
    """The numbers of one program over S slices; every vector is (S,)."""

    w: Vector
    h: Vector
    b: Vector
    c: Vector
    lo: Vector
    hi: Vector
    budget: float

    def gain(self, x: Vector) -> float:
        """Σ w (b x - c x²): the combined IVR without the constant Σ w a."""
        return float(self.w @ (self.b * x - self.c * x * x))


class Solution(NamedTuple):
    """FPR of each slice, (S,), and the combined IVR that one unit more of the budget would give (None: no room)."""

    fpr: Vector
    price: float | None


def solve(program: Program) -> Solution:
    """Solve it. Raises Refused if the bounds leave nothing within the budget, or the solver gives up."""
    left = program.budget - float(program.h @ program.lo)
    if left < 0:
        raise Refused(_TOO_LITTLE)
    # In units of each slice's range, u = (x - lo) / (hi - lo), and of the steepest gain: numbers near 1, whatever the
    # slices' sizes are, so that the solver's tolerances mean what they say.
    reach = program.hi - program.lo
    slope = program.w * (program.b - 2 * program.c * program.lo) * reach
    bend = program.w * program.c * reach * reach
    loss = program.h * reach
    steepest, costliest = float(np.abs(slope).max()) or 1.0, float(loss.max()) or 1.0
    if left < _NO_ROOM * costliest:
        return Solution(np.where(loss > 0, program.lo, program.hi), None)
    form = _form(len(program.w))
    scaled = _Scaled(slope / steepest, bend / steepest, loss / costliest, left / costliest)
    u, price = form.solve(scaled)
    fpr = program.lo + reach * _polished(u, price, scaled)
    return Solution(np.clip(fpr, program.lo, program.hi), price * steepest / costliest)


class _Scaled(NamedTuple):
    """maximise slope·u - bend·u²  subject to  loss·u <= left,  0 <= u <= 1."""

    slope: Vector
    bend: Vector
    loss: Vector
    left: float

    def gain(self, u: Vector) -> float:
        return float(self.slope @ u - self.bend @ (u * u))


def _polished(u: Vector, price: float, scaled: _Scaled) -> Vector:
    """The point at which the solver's price is paid exactly; the price corrected until that uses up what is left.

    An interior point ends near the optimum, and near is not 1e-6 where the gain is all but flat. At the optimum
    u = clip((slope - price loss) / (2 bend), 0, 1): so each slice follows from the price, and the price from the budget
    by Newton's method, which is exact as soon as it is known who is within the bounds.
    """
    best, _ = _at_price(u, 0.0, scaled)
    if scaled.loss @ best <= scaled.left:
        return best
    for _ in range(len(u) + 1):
        best, inside = _at_price(u, price, scaled)
        give = float((scaled.loss[inside] ** 2 / (2 * scaled.bend[inside])).sum())
        if give == 0:
            break
        price = max(0.0, price + (float(scaled.loss @ best) - scaled.left) / give)
    kept = scaled.loss @ best <= scaled.left + _NO_ROOM and scaled.gain(best) >= scaled.gain(u) - _ROUNDING
    return best if kept else u


def _at_price(u: Vector, price: float, scaled: _Scaled) -> tuple[Vector, npt.NDArray[np.bool_]]:
    """What each slice takes at a price, and which are within their bounds; where all is equally good, as `u` has it."""
    slope = scaled.slope - price * scaled.loss
    curved = scaled.bend > 0
    inner = np.clip(slope / np.where(curved, 2 * scaled.bend, 1), 0, 1)
    straight = np.where(slope > _NEAR, 1.0, np.where(slope < -_NEAR, 0.0, u))
    return np.where(curved, inner, straight), curved & (inner > 0) & (inner < 1)


class _Form:
    """The program of a size with its numbers left open, so that it is compiled once."""

    def __init__(self, size: int) -> None:
        self._slope, self._bend = cp.Parameter(size), cp.Parameter(size, nonneg=True)
        self._loss, self._left = cp.Parameter(size, nonneg=True), cp.Parameter()
        self._u = cp.Variable(size)
        gain = self._slope @ self._u - cp.sum_squares(cp.multiply(self._bend, self._u))
        self._within_budget = self._loss @ self._u <= self._left
        self._problem = cp.Problem(cp.Maximize(gain), [self._within_budget, self._u >= 0, self._u <= 1])

    def solve(self, scaled: _Scaled) -> tuple[Vector, float]:
        """The best u, (S,), and the multiplier of the budget."""
        self._slope.value, self._bend.value = scaled.slope, np.sqrt(scaled.bend)
        self._loss.value, self._left.value = scaled.loss, scaled.left
        for gap in _GAPS:
            if self._status(gap) == cp.OPTIMAL:
                return np.asarray(self._u.value, np.float64), max(0.0, float(self._within_budget.dual_value))
        raise Refused(
            f"The solver left the calibration program as {self._problem.status!r}, and no threshold is set by an "
            "answer that is not known to be the best. Change the budget or the floors a little."
        )

    def _status(self, gap: float) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "may be inaccurate" is a status too, and tried again
            try:
                self._problem.solve(solver=cp.CLARABEL, tol_gap_abs=gap, tol_gap_rel=gap, tol_feas=gap)
            except cp.error.SolverError:
                return str(cp.SOLVER_ERROR)
        return str(self._problem.status)


@lru_cache(maxsize=32)
def _form(size: int) -> _Form:
    return _Form(size)
