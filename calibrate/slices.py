"""Slices and the groups above them: how many of their clicks a threshold invalidates.

A slice with few purchasing clicks leans on its parent. Of a slice with n purchasing clicks, a share F(t) of which a
threshold t invalidates, and a parent P that counts like m clicks (`parent_weight`, no more than P is worth itself), the
FPR is taken as

    x(t) = (n F(t) + m x_P(t)) / (n + m)           x of the group of all is its F

which is the mean of a beta distribution whose prior is the parent. It is worth n + m clicks. Below `thin_below` clicks
its upper end counts instead: Wilson's, one-sided, of n + m clicks.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from calibrate.goals import Goals
from contracts.rates import one_sided_z, wilson
from contracts.scored import Scored

Vector = npt.NDArray[np.float64]
# A threshold that no score reaches: scores end at 1.
NEVER = 2.0
# A group with fewer clicks takes the steps of its thresholds from its parent.
_LEAST_STEPS = 1000


class Group(NamedTuple):
    """Scores of a slice's or group's clicks, rising; a click that a rule invalidates scores infinity.

    `all_scores` (n,), of these `purchasing` (p,) and those of busy sessions `busy` (b,).
    """

    name: str
    all_scores: Vector
    purchasing: Vector
    busy: Vector
    parent: "Group | None" = None

    @classmethod
    def of(cls, name: str, scored: Scored, busy_over: float, parent: "Group | None") -> Self:
        """The group of all clicks in `scored`."""
        scores = np.where(scored.by_rules, np.inf, scored.score)
        busy = scored.busy(busy_over)
        return cls(name, np.sort(scores), np.sort(scores[scored.purchasing]), np.sort(scores[busy]), parent)

    def worth(self, parent_weight: float) -> float:
        """How many purchasing clicks its FPR rests on."""
        own = len(self.purchasing)
        return own if self.parent is None else own + min(parent_weight, self.parent.worth(parent_weight))

    def own_weight(self, parent_weight: float) -> float:
        """How much of its FPR is its own clicks': n / (n + m)."""
        return len(self.purchasing) / max(1.0, self.worth(parent_weight))

    def fpr(self, thresholds: Vector, parent_weight: float) -> Vector:
        """FPR at thresholds (m,), leaning on the parent: formula above. (m,)"""
        hits = reaching(self.purchasing, thresholds)
        if self.parent is None:
            return hits / max(1, len(self.purchasing))
        weight = min(parent_weight, self.parent.worth(parent_weight))
        return (hits + weight * self.parent.fpr(thresholds, parent_weight)) / (len(self.purchasing) + weight)

    def careful_fpr(self, thresholds: Vector, goals: Goals) -> Vector:
        """FPR at thresholds (m,) as calibration counts it: its upper end if the slice is thin."""
        mean = self.fpr(thresholds, goals.parent_weight)
        if not self.thin(goals):
            return mean
        values, place = np.unique(mean, return_inverse=True)
        worth, z = max(1.0, self.worth(goals.parent_weight)), one_sided_z(goals.confidence)
        return np.array([wilson(value, worth, z) for value in values.tolist()])[place]

    def thin(self, goals: Goals) -> bool:
        """Whether it has too few purchasing clicks to be judged by their mean."""
        return len(self.purchasing) < goals.thin_below

    def steps(self) -> Vector:
        """Thresholds that differ in what they invalidate: `NEVER`, then written scores, falling. (m,)"""
        if len(self.all_scores) < _LEAST_STEPS and self.parent is not None:
            return self.parent.steps()
        scores = np.unique(self.all_scores[np.isfinite(self.all_scores)])
        return np.concatenate([[NEVER], scores[::-1]])


def reaching(rising: Vector, thresholds: Vector) -> Vector:
    """How many of the rising scores (n,) reach each threshold: (m,) -> (m,)."""
    return (len(rising) - np.searchsorted(rising, thresholds, side="left")).astype(np.float64)


def groups(scored: Scored, goals: Goals) -> Mapping[str, Group]:
    """Every slice by its name, each with the chain of its parents."""
    members = members_of(scored.slices, goals)
    made: dict[str, Group] = {}

    def make(chain: list[str]) -> Group:
        name = chain[0]
        if name not in made:
            parent = make(chain[1:]) if len(chain) > 1 else None
            chosen = scored.rows(np.isin(scored.slice_index, members[name]))
            made[name] = Group.of(name, chosen, goals.busy_over, parent)
        return made[name]

    return {name: make([name, *goals.ancestors(name)]) for name in scored.slices}


def members_of(slices: Sequence[str], goals: Goals) -> dict[str, list[int]]:
    """Places of the slices that are of each slice and group, by its name."""
    members: dict[str, list[int]] = {}
    for place, leaf in enumerate(slices):
        for name in (leaf, *goals.ancestors(leaf)):
            members.setdefault(name, []).append(place)
    return members
