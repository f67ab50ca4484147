"""The IVR-FPR curve of a slice, and the concave quadratic that stands for it in the program."""

from itertools import product
from typing import NamedTuple

import numpy as np

from calibrate.goals import Goals
from calibrate.slices import Group, Vector, reaching

# Points of the used range at which the fit looks at the curve.
_FIT_POINTS = 101
# What rounding may add to an FPR: less than one click of a billion.
TOLERANCE = 1e-9


class Curve(NamedTuple):
    """What each threshold does to a slice; thresholds fall from `NEVER`, all else rises. Each (m,).

    `fpr` is the FPR as calibration counts it (thin slices: `calibrate.slices`); `coverage` is None without a click of a
    busy session.
    """

    threshold: Vector
    fpr: Vector
    ivr: Vector
    coverage: Vector | None

    def at(self, fpr: float) -> int:
        """Place of the lowest threshold whose FPR is not above `fpr`; the first place if all are."""
        return max(0, int(np.searchsorted(self.fpr, fpr + TOLERANCE, side="right")) - 1)

    def place_of(self, threshold: float) -> int:
        """Place of a threshold of this curve."""
        return int(np.searchsorted(-self.threshold, -threshold))

    def covering(self, floor: float) -> int:
        """Place of the highest threshold whose coverage reaches `floor`."""
        if self.coverage is None:
            return 0
        return int(np.searchsorted(self.coverage, floor - TOLERANCE, side="left"))

    def knee(self) -> int:
        """Place of the point farthest above the chord from the rules alone to everything invalid."""
        x, y = self.fpr - self.fpr[0], self.ivr - self.ivr[0]
        return int(np.argmax(y * x[-1] - x * y[-1]))


class Fit(NamedTuple):
    """IVR ~ a + b x - c x² of FPR x, with c >= 0, and rising up to the end of the range that it was fitted on."""

    a: float
    b: float
    c: float

    def __call__(self, x: float) -> float:
        """IVR at an FPR."""
        return self.a + self.b * x - self.c * x * x


def curve(group: Group, goals: Goals) -> Curve:
    """The empirical curve: every threshold that differs, ties never split."""
    steps = group.steps()
    clicks = group
    while not len(clicks.all_scores) and clicks.parent is not None:
        clicks = clicks.parent
    ivr = reaching(clicks.all_scores, steps) / max(1, len(clicks.all_scores))
    coverage = reaching(group.busy, steps) / len(group.busy) if len(group.busy) else None
    return Curve(steps, group.careful_fpr(steps, goals), ivr, coverage)


def fit(curve: Curve, low: float, high: float) -> Fit:
    """The nearest concave quadratic that does not fall, by least squares on the range [low, high] of FPRs.

    With d = b - 2 c·high, the slope at the end, it is  min Σ (a + d x + c (2·high·x - x²) - y)²  over d >= 0, c >= 0
    and any a. Two bounds have four sets of active ones: the best of those solutions that keep to the bounds is the
    optimum, since the problem is convex.
    """
    x = np.linspace(low, high, _FIT_POINTS)
    y = curve.ivr[[curve.at(value) for value in x.tolist()]]
    columns = np.stack([x, 2 * high * x - x * x])
    if high - low < TOLERANCE:
        return Fit(float(y[0]), 0.0, 0.0)
    # From the range's own zero and in its own unit: the sums keep their digits, and the signs of d and c stay.
    centred, wanted = columns - columns.mean(axis=1, keepdims=True), y - y.mean()
    best, least = np.zeros(2), float(wanted @ wanted)
    for free in product((False, True), repeat=2):
        chosen = np.flatnonzero(free)
        if not len(chosen):
            continue
        found = np.zeros(2)
        found[chosen] = np.linalg.lstsq(centred[chosen].T, wanted, rcond=None)[0]
        error = float(np.sum((wanted - found @ centred) ** 2))
        if (found >= 0).all() and error < least:
            best, least = found, error
    d, c = best.tolist()
    return Fit(float(y.mean() - best @ columns.mean(axis=1)), d + 2 * c * high, c)
