"""The slices as other purchases would show them: a bootstrap by hours, since clicks of one hour are not independent.

Only purchases are drawn again. Clicks are a hundred times as many, and a threshold's IVR hardly depends on chance.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from calibrate.goals import Goals
from calibrate.preparation import prepared
from calibrate.slices import Group, Vector
from calibrate.thresholds import Slice
from contracts.scored import Scored
from contracts.topics import HOUR_MS

# The same clicks give the same draws, and so the same thresholds.
_SEED: Final = 0


def redrawn(slices: list[Slice], scored: Scored, goals: Goals, times: int) -> Iterator[list[Slice]]:
    """The slices with the purchasing clicks of as many hours, drawn with replacement; `times` times."""
    bought = scored.rows(scored.purchasing)
    scores = np.where(bought.by_rules, np.inf, bought.score)
    hours, hour = np.unique(bought.clicked_at_ms // HOUR_MS, return_inverse=True)
    chance = np.random.default_rng(_SEED)
    for _ in range(times):
        often = np.bincount(chance.integers(len(hours), size=len(hours)), minlength=len(hours))
        drawn = np.repeat(np.arange(len(scores)), often[hour])
        yield _shown(slices, scores[drawn], bought.slice_index[drawn], goals)


def _shown(slices: list[Slice], scores: Vector, slice_index: npt.NDArray[np.int16], goals: Goals) -> list[Slice]:
    members: dict[str, list[int]] = {}
    for index, one in enumerate(slices):
        for name in (one.name, *goals.ancestors(one.name)):
            members.setdefault(name, []).append(index)
    bought = {name: np.sort(scores[np.isin(slice_index, of)]) for name, of in members.items()}

    def shown(one: Slice) -> Slice:
        group = _buying(one.group, bought)
        curve = one.curve._replace(fpr=group.careful_fpr(one.curve.threshold, goals))
        return prepared(group, curve, goals, one.w, len(group.purchasing) / max(1, len(scores)))

    return [shown(one) for one in slices]


def _buying(group: Group, bought: dict[str, Vector]) -> Group:
    """The group and its parents with these purchasing clicks."""
    parent = group.parent and _buying(group.parent, bought)
    return group._replace(purchasing=bought[group.name], parent=parent)
