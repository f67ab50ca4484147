"""Simpler ways to set thresholds, for comparison: at no higher an overall FPR on the same clicks."""

from collections.abc import Callable

from calibrate.curves import curve
from calibrate.goals import Goals
from calibrate.slices import Group
from calibrate.thresholds import Slice
from contracts.scored import Scored

_HALVINGS = 20


def single_threshold(scored: Scored, goals: Goals, most_lost: int) -> dict[str, float]:
    """One threshold for all slices: the lowest that loses no more than `most_lost` purchasing clicks."""
    everything = curve(Group.of("all", scored, goals.busy_over, None), goals)
    threshold = float(everything.threshold[everything.at(most_lost / int(scored.purchasing.sum()))])
    return dict.fromkeys(scored.slices, threshold)


def knees(slices: list[Slice], lost: Callable[[dict[str, float]], int], most_lost: int) -> dict[str, float]:
    """Each slice at the knee of its curve, or all of them as far on the way there as loses no more than `most_lost`."""

    def on_the_way(part: float) -> dict[str, float]:
        found = {}
        for s in slices:
            first, knee = float(s.curve.fpr[0]), float(s.curve.fpr[s.curve.knee()])
            found[s.name] = float(s.curve.threshold[s.curve.at(first + part * (knee - first))])
        return found

    if lost(on_the_way(1.0)) <= most_lost:
        return on_the_way(1.0)
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if lost(on_the_way(middle)) <= most_lost else (low, middle)
    return on_the_way(low)
