"""Guardrails on a release: what it does to clicks that set none of its thresholds, alone and beside the champion."""

from math import inf
from typing import Final

from contracts.rates import wilson
from contracts.summaries import ModelSummary, Promised, SliceModel
from contracts.verdicts import GuardrailVerdict
from guardrails.limits import Limits
from guardrails.verdicts import Guardrail, Looked

_RECALIBRATE: Final = (
    "People who buy are invalidated. Calibrate on a longer history or to a smaller budget, and look at the report for "
    "the slices and hours that lose them."
)
FPR: Final = Guardrail("fpr", "False-positive rate against its budget", _RECALIBRATE)
SLICE_FPR: Final = Guardrail("slice_fpr", "False-positive rate of each slice against its cap", _RECALIBRATE)
COVERAGE: Final = Guardrail(
    "coverage",
    "Robotic coverage of each slice against its floor",
    "Busy sessions of this slice get through. Retrain on a history with such sessions, or lower the floor on purpose.",
)
CALIBRATION: Final = Guardrail(
    "calibration",
    "Thresholds of the release against those that calibration found",
    "Thresholds were changed after calibration. Run `slidr retrain` again, and change goals, not thresholds.",
)
SCORES: Final = Guardrail(
    "scores",
    "Scores of the model",
    "The network is broken, or reads features in other units than it learned from. Retrain it, and look at its epochs.",
)
DIRECTION: Final = Guardrail(
    "score_direction",
    "Scores of purchasing clicks against others",
    "The model takes people for robots: labels are wrong way round. Look at label_rate, put them right, and retrain.",
)


def judge_model(model: ModelSummary, promised: Promised, limits: Limits) -> list[GuardrailVerdict]:
    """The release alone."""
    return [
        fpr(model, promised, limits),
        slice_fpr(model, promised, limits),
        coverage(model, promised, limits),
        calibration(model, promised, limits),
        scores(model, limits),
        direction(model, limits),
    ]


def fpr(model: ModelSummary, promised: Promised, limits: Limits) -> GuardrailVerdict:
    """The bound that calibration predicts, and what is seen on other clicks."""
    most = limits.fpr.most_budgets * promised.fpr_budget
    bound = promised.predicted_upper
    sentence = f"Calibration shows that the FPR stays below {bound:.2%}; the budget allows {most:.2%}."
    looked = [Looked("calibration", bound, most, bound > most, _times(bound, most), sentence)]
    bought = sum(counts.purchasing for counts in model.slices.values())
    hits = sum(counts.purchasing_invalid for counts in model.slices.values())
    if bought:
        sentence = (
            f"On clicks that set no threshold {hits:,} of {bought:,} purchasing clicks ({hits / bought:.2%}) are "
            f"invalidated; the budget allows {most:.2%}."
        )
        looked.append(_at_most("", hits, bought, most, limits.fpr.standard_errors, sentence))
    return FPR.judge(looked, "")


def slice_fpr(model: ModelSummary, promised: Promised, limits: Limits) -> GuardrailVerdict:
    """Purchasing clicks that one slice loses."""
    most, sure = min(1.0, limits.slice_fpr.most_caps * promised.slice_fpr_cap), limits.slice_fpr.standard_errors
    looked = []
    for name, counts in model.slices.items():
        if counts.purchasing:
            hits, bought = counts.purchasing_invalid, counts.purchasing
            sentence = (
                f"{name}: {hits:,} of {bought:,} purchasing clicks ({hits / bought:.2%}) are invalidated; at most "
                f"{most:.2%} of a slice may be."
            )
            looked.append(_at_most(name, hits, bought, most, sure, sentence))
    return SLICE_FPR.judge(looked, "No click led to a purchase.")


def coverage(model: ModelSummary, promised: Promised, limits: Limits) -> GuardrailVerdict:
    """Clicks of busy sessions that are found, in slices that have a floor."""
    looked = []
    for name, counts in model.slices.items():
        least = limits.coverage.least_floors * promised.coverage_floors.get(name, 0.0)
        if least and counts.busy:
            share = counts.busy_invalid / counts.busy
            beyond = wilson(share, counts.busy, limits.coverage.standard_errors) < least
            sentence = (
                f"{name}: {counts.busy_invalid:,} of {counts.busy:,} clicks in busy sessions ({share:.1%}) are "
                f"invalidated; the floor is {least:.1%}."
            )
            sentence += _perhaps(share < least and not beyond)
            looked.append(Looked(name, share, least, beyond, _times(least, share), sentence))
    return COVERAGE.judge(looked, "No slice that has busy sessions was given a floor.")


def calibration(model: ModelSummary, promised: Promised, limits: Limits) -> GuardrailVerdict:
    """Thresholds that were changed after calibration."""
    most = limits.calibration.most_difference
    looked = []
    for name, counts in model.slices.items():
        found = promised.thresholds.get(name, inf)
        off = abs(counts.threshold - found)
        sentence = (
            f"{name}: the release's threshold is {counts.threshold:.6f}, calibration found {found:.6f}; "
            f"at most {most:g} apart they may be."
        )
        looked.append(Looked(name, off, most, off > most, off, sentence))
    return CALIBRATION.judge(looked, "There are no clicks.")


def scores(model: ModelSummary, limits: Limits) -> GuardrailVerdict:
    """Scores that are none, at the ends of their range, or all the same."""
    clicks = sum(counts.clicks for counts in model.slices.values())
    if not clicks:
        return SCORES.not_judged("There are no clicks.")
    kinds = (
        ("have a score that is no number from 0 to 1", model.not_scores, 0.0),
        ("have a score of exactly 0 or 1", model.extreme, limits.scores.most_extreme),
        ("have one and the same score", model.alike, limits.scores.most_alike),
    )
    looked = []
    for what, count, most in kinds:
        share = count / clicks
        sentence = f"{count:,} of {clicks:,} clicks ({share:.1%}) {what}; at most {most:.1%} may."
        looked.append(Looked("", share, most, share > most, share - most, sentence))
    return SCORES.judge(looked, "")


def direction(model: ModelSummary, limits: Limits) -> GuardrailVerdict:
    """Purchasing clicks that score above the others."""
    if (auc := model.purchasing_auc) is None:
        return DIRECTION.not_judged("There are not both purchasing clicks and others.")
    most = limits.score_direction.most_auc
    sentence = f"A purchasing click scores above another one in {auc:.1%} of all pairs; at most {most:.1%} it may."
    return DIRECTION.judge([Looked("", auc, most, auc > most, auc, sentence)], "")


def total(model: ModelSummary) -> SliceModel:
    """All slices together; `threshold` tells nothing."""
    slices = list(model.slices.values())
    return SliceModel(
        clicks=sum(counts.clicks for counts in slices),
        invalid=sum(counts.invalid for counts in slices),
        purchasing=sum(counts.purchasing for counts in slices),
        purchasing_invalid=sum(counts.purchasing_invalid for counts in slices),
        busy=sum(counts.busy for counts in slices),
        busy_invalid=sum(counts.busy_invalid for counts in slices),
        threshold=0.0,
        champion_invalid=sum(counts.champion_invalid or 0 for counts in slices),
        flipped=sum(counts.flipped or 0 for counts in slices),
    )


def _times(measured: float, limit: float) -> float:
    return measured / limit if limit else inf if measured else 0.0


def _at_most(where: str, hits: int, of: int, most: float, sure: float, sentence: str) -> Looked:
    """A share that must not be above `most`, chance ruled out by `sure` standard errors."""
    share, beyond = hits / of, wilson(hits / of, of, -sure) > most
    return Looked(where, share, most, beyond, _times(share, most), sentence + _perhaps(share > most and not beyond))


def _perhaps(doubtful: bool) -> str:
    """Why a guardrail passes what its limit does not allow."""
    return " With so few clicks that can be chance, so it does not block." if doubtful else ""
