"""Each slice as the program sees it: its curve, the fit, and between which FPRs it may choose."""

from calibrate.curves import TOLERANCE, Curve, curve, fit
from calibrate.goals import Goals
from calibrate.slices import Group, groups
from calibrate.thresholds import Slice
from contracts.scored import Scored


def prepare(scored: Scored, goals: Goals) -> list[Slice]:
    """The slices in their order, whatever they ask for (`calibrate.refusals` says if it is too much)."""
    clicks, bought = len(scored.score), int(scored.purchasing.sum())
    return [
        prepared(group, curve(group, goals), goals, len(group.all_scores) / clicks, len(group.purchasing) / bought)
        for group in groups(scored, goals).values()
    ]


def with_floor(slice_: Slice, coverage: float, goals: Goals) -> Slice:
    """The same slice if its coverage had to reach `coverage`."""
    place = slice_.curve.covering(coverage)
    lo = float(slice_.curve.fpr[place])
    return slice_._replace(floor_place=place, lo=lo, hi=max(lo, _highest(slice_.group, slice_.curve, goals)))


def note(slice_: Slice, goals: Goals) -> str:
    """What was done in an odd case, in a sentence; empty in an ordinary one."""
    group = slice_.group
    parent = group.parent
    if not len(group.purchasing) and parent is not None:
        what = "clicks" if not len(group.all_scores) else "purchasing clicks"
        return f"No {what} of its own: set where {parent.name} keeps to the overall budget, chance included."
    if slice_.curve.fpr[0] > goals.cap + TOLERANCE:
        return "Rules alone exceed the cap of a slice: nothing is invalidated by score."
    if slice_.curve.coverage is None and goals.floor(slice_.name) > 0:
        return "No click of a busy session: the floor of its coverage asks for nothing."
    if group.thin(goals) and parent is not None:
        return f"Few purchasing clicks: judged by an upper bound, leaning on {parent.name}."
    return ""


def prepared(group: Group, curve: Curve, goals: Goals, w: float, h: float) -> Slice:
    """A slice with its curve, its shares of clicks and of purchasing clicks, and the floor of its coverage."""
    lowest, highest = float(curve.fpr[0]), _highest(group, curve, goals)
    plain = Slice(group, curve, fit(curve, lowest, highest), w=w, h=h, floor_place=0, lo=lowest, hi=highest)
    return with_floor(plain, goals.floor(group.name), goals)


def _highest(group: Group, curve: Curve, goals: Goals) -> float:
    """The cap; of a slice that can't lose anybody in this sample, the overall budget, for it may in the next."""
    cap = goals.cap if len(group.purchasing) else min(goals.cap, goals.fpr_budget)
    return max(cap, float(curve.fpr[0]))


def curves(scored: Scored, goals: Goals) -> dict[str, Curve]:
    """The curve of each slice as calibration sees it, to be drawn."""
    return {name: curve(group, goals) for name, group in groups(scored, goals).items()}
