"""The slices as other purchases would show them: a bootstrap by hours, since clicks of one hour are not independent.

Only purchases are drawn again. Clicks are a hundred times as many, and a threshold's IVR hardly depends on chance.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from calibrate.goals import Goals
from calibrate.preparation import prepared
from calibrate.slices import Group, Vector, members_of
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
    members, chance = members_of(scored.slices, goals), np.random.default_rng(_SEED)
    for _ in range(times):
        often = np.bincount(chance.integers(len(hours), size=len(hours)), minlength=len(hours))
        drawn = np.repeat(np.arange(len(scores)), often[hour])
        of = {name: np.isin(bought.slice_index[drawn], places) for name, places in members.items()}
        by_name = {name: np.sort(scores[drawn][chosen]) for name, chosen in of.items()}
        yield [_shown(one, by_name, len(drawn), goals) for one in slices]


def _shown(one: Slice, bought: dict[str, Vector], clicks: int, goals: Goals) -> Slice:
    """A slice, had it and its parents these purchasing clicks, of so many in all."""
    group = _buying(one.group, bought)
    curve = one.curve._replace(fpr=group.careful_fpr(one.curve.threshold, goals))
    return prepared(group, curve, goals, one.w, len(group.purchasing) / clicks)


def _buying(group: Group, bought: dict[str, Vector]) -> Group:
    """The group and its parents with these purchasing clicks."""
    parent = group.parent and _buying(group.parent, bought)
    return group._replace(purchasing=bought[group.name], parent=parent)
