"""From scored clicks to a threshold per slice: curves, fits, the program, thresholds, and what they do."""

from calibrate.baselines import knees, single_threshold
from calibrate.goals import Goals
from calibrate.margin import bound, choose
from calibrate.measure import baseline, by_slice, check, overall, span_ms
from calibrate.preparation import note, prepare
from calibrate.refusals import refuse_impossible
from calibrate.result import Achieved, Baseline, Calibrated, SliceChoice
from calibrate.thresholds import Slice
from contracts.scored import Scored


def calibrate(scored: Scored, goals: Goals) -> Calibrated:
    """Set a threshold for each slice: the highest combined IVR within the goals. Pure but for the solver.

    Raises Refused where the goals contradict each other or the clicks can't show them to hold, Misconfigured for goals
    that make no sense.
    """
    goals.check(scored.slices)
    check(scored, "calibration")
    slices = prepare(scored, goals)
    refuse_impossible(slices, scored, goals)
    choice = choose(slices, scored, goals)
    total, each = overall(scored, choice.thresholds, goals), by_slice(scored, choice.thresholds, goals)
    from_ms, to_ms = span_ms(scored)
    return Calibrated(
        thresholds=choice.thresholds,
        goals=goals,
        from_ms=from_ms,
        to_ms=to_ms,
        spendable_fpr=choice.spendable,
        price=choice.price,
        predicted_upper=bound(slices, scored, choice.thresholds, goals),
        overall=total,
        slices={
            s.name: _chosen(s, fpr, each[s.name], goals) for s, fpr in zip(slices, choice.fpr.tolist(), strict=True)
        },
        baselines=_baselines(slices, scored, goals, total.fpr.hits),
    )


def _chosen(slice_: Slice, fpr: float, counted: Achieved, goals: Goals) -> SliceChoice:
    place = slice_.place(fpr)
    return SliceChoice(
        threshold=float(slice_.curve.threshold[place]),
        fit=slice_.fit,
        lowest_fpr=slice_.lo,
        highest_fpr=slice_.hi,
        chosen_fpr=fpr,
        predicted_fpr=float(slice_.curve.fpr[place]),
        predicted_ivr=float(slice_.curve.ivr[place]),
        coverage_floor=goals.floor(slice_.name),
        thin=slice_.group.thin(goals),
        counted=counted,
        note=note(slice_, goals),
    )


def _baselines(slices: list[Slice], scored: Scored, goals: Goals, most_lost: int) -> dict[str, Baseline]:
    def lost(thresholds: dict[str, float]) -> int:
        return int((scored.invalid(thresholds) & scored.purchasing).sum())

    return {
        "single threshold": baseline(scored, single_threshold(scored, goals, most_lost), goals),
        "knees": baseline(scored, knees(slices, lost, most_lost), goals),
    }
