"""What can't be had, in sentences: who conflicts, by how much, and what would be feasible."""

from calibrate.choices import lowest
from calibrate.curves import TOLERANCE
from calibrate.goals import Goals
from calibrate.margin import bound
from calibrate.preparation import with_floor
from calibrate.thresholds import Slice
from contracts.errors import Refused
from contracts.scored import Scored

_HALVINGS = 14


def refuse_impossible(slices: list[Slice], scored: Scored, goals: Goals) -> None:
    """Raises Refused if floors need more than the caps or the budget, or the rules alone do."""
    _refuse_beyond_caps(slices, goals)
    least = _least_budget(slices, scored, goals)
    if least <= goals.fpr_budget:
        return
    without = [with_floor(s, 0.0, goals) for s in slices]
    if _least_budget(without, scored, goals) > goals.fpr_budget:
        raise Refused(_of_rules(without, scored, goals))
    raise Refused(_of_floors(slices, scored, goals, least))


def _least_budget(slices: list[Slice], scored: Scored, goals: Goals) -> float:
    """The smallest overall budget that could be shown to hold."""
    least = lowest(slices)
    return max(least.spendable, bound(slices, scored, least.thresholds, goals))


def _refuse_beyond_caps(slices: list[Slice], goals: Goals) -> None:
    beyond = [s for s in slices if s.lo > max(goals.cap, float(s.curve.fpr[0])) + TOLERANCE]
    if beyond:
        raise Refused(
            f"The floors of robotic coverage need more than {goals.cap:.2%} of the purchasing clicks of a slice: "
            + "; ".join(_beyond(s, goals) for s in beyond)
            + ". Raise the cap of a slice to what they need, or lower their floors to what it allows."
        )


def _beyond(slice_: Slice, goals: Goals) -> str:
    assert slice_.curve.coverage is not None
    allowed = float(slice_.curve.coverage[slice_.curve.at(goals.cap)])
    return (
        f"{slice_.name} reaches {goals.floor(slice_.name):.2%} at an FPR of {slice_.lo:.2%}, "
        f"{slice_.lo - goals.cap:.2%} above the cap, which allows it {_down(allowed)}"
    )


def _of_rules(slices: list[Slice], scored: Scored, goals: Goals) -> str:
    of = int(scored.purchasing.sum())
    lost = int((scored.by_rules & scored.purchasing).sum())
    least = _up(_least_budget(slices, scored, goals))
    if lost > goals.fpr_budget * of:
        return (
            f"The rules alone invalidate {lost} of {of} purchasing clicks ({lost / of:.2%}), more than the overall FPR "
            f"budget of {goals.fpr_budget:.2%}. Loosen the rule lists, or allow a budget of at least {least}."
        )
    return (
        f"{of} purchasing clicks, {lost} of them invalid by rules, are too few to show that an overall FPR budget of "
        f"{goals.fpr_budget:.2%} holds. Take a longer time, or allow a budget of at least {least}."
    )


def _of_floors(slices: list[Slice], scored: Scored, goals: Goals, least: float) -> str:
    asking = [s for s in slices if s.floor_place > 0 and s.h > 0]
    asking.sort(key=lambda s: -s.h * s.lo)
    parts = "; ".join(
        f"{s.name} needs an FPR of {s.lo:.2%} for a coverage of {goals.floor(s.name):.2%} (its part: {s.h * s.lo:.2%})"
        for s in asking
    )
    return (
        f"The floors of robotic coverage need an overall FPR of {least:.2%}, chance included, "
        f"{least - goals.fpr_budget:.2%} above the budget of {goals.fpr_budget:.2%}: {parts}. Feasible are a budget of "
        f"at least {_up(least)}, or floors of at most {_down(_highest_floor(slices, scored, goals))} in every slice."
    )


def _highest_floor(slices: list[Slice], scored: Scored, goals: Goals) -> float:
    """The highest coverage that all slices, or those that ask for less than it, could be asked for."""
    low, high = 0.0, max(goals.floor(s.name) for s in slices)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        tried = [with_floor(s, min(middle, goals.floor(s.name)), goals) for s in slices]
        fits = _least_budget(tried, scored, goals) <= goals.fpr_budget
        low, high = (middle, high) if fits else (low, middle)
    return low


def _up(value: float) -> str:
    """Rounded so that what is written is feasible."""
    return f"{int(value * 10_000 + 0.999999) / 10_000:.2%}"


def _down(value: float) -> str:
    return f"{int(value * 10_000) / 10_000:.2%}"
