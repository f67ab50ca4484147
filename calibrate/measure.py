"""What thresholds do to scored clicks, counted."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from calibrate.bound import upper_bound
from calibrate.goals import Goals
from calibrate.result import Achieved, Baseline, Calibrated, Remeasured, share
from contracts.errors import Refused
from contracts.rates import one_sided_z, wilson
from contracts.scored import Scored

Flags = npt.NDArray[np.bool_]


def overall(scored: Scored, thresholds: Mapping[str, float], goals: Goals) -> Achieved:
    """All slices together; the bound is over blocks of time (`calibrate.bound`), of the long run."""
    invalid = scored.invalid(thresholds)
    lost = invalid[scored.purchasing]
    bound = upper_bound(lost, scored.clicked_at_ms[scored.purchasing], goals.confidence)
    return _achieved(scored, invalid, np.ones(len(invalid), bool), goals, bound)


def by_slice(scored: Scored, thresholds: Mapping[str, float], goals: Goals) -> dict[str, Achieved]:
    """Each slice alone; the bound is Wilson's, one-sided."""
    invalid = scored.invalid(thresholds)
    found = {}
    for i, name in enumerate(scored.slices):
        inside = scored.slice_index == i
        bought = inside & scored.purchasing
        of, hits = int(bought.sum()), int((invalid & bought).sum())
        bound = min(1.0, wilson(hits / of, of, one_sided_z(goals.confidence))) if of else 1.0
        found[name] = _achieved(scored, invalid, inside, goals, bound)
    return found


def _achieved(scored: Scored, invalid: Flags, inside: Flags, goals: Goals, bound: float) -> Achieved:
    bought, busy = inside & scored.purchasing, inside & scored.busy(goals.busy_over)
    return Achieved(
        fpr=share(int((invalid & bought).sum()), int(bought.sum())),
        fpr_upper=bound,
        ivr=share(int((invalid & inside).sum()), int(inside.sum())),
        coverage=share(int((invalid & busy).sum()), int(busy.sum())),
    )


def remeasure(calibrated: Calibrated, held_out: Scored) -> Remeasured:
    """Measure the thresholds on clicks later than those that set them.

    Raises Refused for clicks that are not all later, or none of which is purchasing.
    """
    check(held_out, "held-out")
    goals = calibrated.goals
    from_ms, to_ms = span_ms(held_out)
    if from_ms < calibrated.to_ms:
        raise Refused(
            f"The held-out clicks begin {(calibrated.to_ms - from_ms) / 3_600_000:.1f} h before the calibration's end, "
            "and what set a threshold can't test it. Name clicks that are all later."
        )
    total = overall(held_out, calibrated.thresholds, goals)
    return Remeasured(
        from_ms=from_ms,
        to_ms=to_ms,
        overall=total,
        slices=by_slice(held_out, calibrated.thresholds, goals),
        within_budget=total.fpr.hits <= goals.fpr_budget * total.fpr.of,
        baselines={
            name: overall(held_out, baseline.thresholds, goals) for name, baseline in calibrated.baselines.items()
        },
    )


def span_ms(scored: Scored) -> tuple[int, int]:
    """When the clicks begin, and when they have ended."""
    return int(scored.clicked_at_ms.min()), int(scored.clicked_at_ms.max()) + 1


def check(scored: Scored, which: str) -> None:
    """Raises Refused for scored clicks that nothing can be measured on."""
    if not len(scored.score):
        raise Refused(f"There are no {which} clicks. Name a range of time that has some.")
    wrong = int(np.count_nonzero(~((scored.score >= 0) & (scored.score <= 1))))
    if wrong:
        raise Refused(
            f"{wrong:,} of {len(scored.score):,} {which} clicks have a score that is not a number from 0 to 1. "
            "Score them again; a threshold can't be set on these."
        )
    if not scored.purchasing.any():
        raise Refused(
            f"None of {len(scored.score):,} {which} clicks led to a purchase, so the false-positive rate can't be "
            "measured. Take a longer time, and check that purchases are in it."
        )


def baseline(scored: Scored, thresholds: dict[str, float], goals: Goals) -> Baseline:
    """Other thresholds with what they do to the calibration's clicks."""
    return Baseline(thresholds, overall(scored, thresholds, goals))
