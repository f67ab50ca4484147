"""From chosen FPRs to thresholds: the steps of the empirical curve, ties never split, never above what was chosen."""

from typing import NamedTuple

from calibrate.curves import Curve, Fit
from calibrate.goals import Goals
from calibrate.slices import NEVER, Group


class Slice(NamedTuple):
    """A slice as the program sees it.

    `w`, `h`: its share of clicks and of purchasing clicks. `floor_place`: place on the curve of the highest threshold
    that reaches the floor of its coverage. `lo` and `hi`: the FPRs that it may have.
    """

    group: Group
    curve: Curve
    fit: Fit
    w: float
    h: float
    floor_place: int
    lo: float
    hi: float

    @property
    def name(self) -> str:
        """Of the slice."""
        return self.group.name

    def place(self, fpr: float) -> int:
        """Place on the curve of the threshold for a chosen FPR; the floor holds whatever rounding did to it."""
        return max(self.floor_place, self.curve.at(fpr))

    def threshold(self, fpr: float) -> float:
        """The lowest threshold that is not above the chosen FPR."""
        return float(self.curve.threshold[self.place(fpr)])


def spared(slices: list[Slice], thresholds: dict[str, float], goals: Goals) -> float:
    """How many purchasing clicks lie right below thresholds that were read off them: the weight of a slice's own."""
    return sum(s.group.own_weight(goals.parent_weight) for s in slices if thresholds[s.name] < NEVER)
