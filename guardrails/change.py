"""Guardrails on what a release changes: its decisions and thresholds against the champion's on the same clicks."""

from collections.abc import Callable
from math import sqrt
from typing import Final

from contracts.summaries import ModelSummary, SliceModel
from contracts.verdicts import GuardrailVerdict
from guardrails.limits import Change, Limits
from guardrails.model import total
from guardrails.verdicts import Guardrail, Looked

_LOOK: Final = (
    "Look at the clicks that are judged differently, slice by slice. If the new decisions are the right ones, publish "
    "with an override and tell why; then watch the shadow."
)
IVR_CHANGE: Final = Guardrail("ivr_change", "Share invalidated against the champion's", _LOOK)
FLIPS: Final = Guardrail("decision_flips", "Clicks that are judged differently from the champion", _LOOK)
JUMP: Final = Guardrail("threshold_jump", "Thresholds against the champion's", _LOOK)
# A threshold above 1 is one that no score reaches.
_HIGHEST: Final = 1.0
_OVERALL: Final = "all slices"


def judge_change(model: ModelSummary, limits: Limits) -> list[GuardrailVerdict]:
    """The release beside the champion."""
    return [
        _change(IVR_CHANGE, model, limits.ivr_change, _ivr),
        _change(FLIPS, model, limits.decision_flips, _flips),
        threshold_jump(model, limits),
    ]


def threshold_jump(model: ModelSummary, limits: Limits) -> GuardrailVerdict:
    """Thresholds far from the champion's."""
    most, looked = limits.threshold_jump.most, []
    for name, counts in _large(model, limits.threshold_jump.least_clicks).items():
        if counts.champion_threshold is not None:
            ours, theirs = (min(t, _HIGHEST) for t in (counts.threshold, counts.champion_threshold))
            off = abs(ours - theirs)
            sentence = f"{name}: the threshold is {ours:.3f}, the champion's {theirs:.3f}; {most:g} apart they may be."
            looked.append(Looked(name, off, most, off > most, off, sentence))
    return JUMP.judge(looked, _why_not(model))


def _change(
    guardrail: Guardrail, model: ModelSummary, limit: Change, look: Callable[[SliceModel], tuple[float, str]]
) -> GuardrailVerdict:
    """Every slice and all together: beyond the limit by more than chance, which moves the flips only."""
    looked = []
    places = {_OVERALL: (total(model), limit.most_overall)}
    places |= {name: (counts, limit.most_in_a_slice) for name, counts in _large(model, limit.least_clicks).items()}
    for name, (counts, most) in places.items():
        if counts.clicks and _beside_a_champion(model):
            change, told = look(counts)
            beyond = change - limit.standard_errors * sqrt(counts.flipped or 0) / counts.clicks > most
            looked.append(Looked(name, change, most, beyond, change, f"{name}: {told}; {most:.1%} it may be."))
    return guardrail.judge(looked, _why_not(model))


def _large(model: ModelSummary, least_clicks: int) -> dict[str, SliceModel]:
    return {name: counts for name, counts in model.slices.items() if counts.clicks >= least_clicks}


def _beside_a_champion(model: ModelSummary) -> bool:
    return all(counts.champion_threshold is not None for counts in model.slices.values())


def _why_not(model: ModelSummary) -> str:
    return "Every slice has too few clicks." if _beside_a_champion(model) else "There is no champion with a model."


def _ivr(counts: SliceModel) -> tuple[float, str]:
    ours, theirs = counts.invalid / counts.clicks, (counts.champion_invalid or 0) / counts.clicks
    change = abs(ours - theirs)
    return change, f"{ours:.1%} of {counts.clicks:,} clicks are invalidated, {theirs:.1%} by the champion"


def _flips(counts: SliceModel) -> tuple[float, str]:
    share = (counts.flipped or 0) / counts.clicks
    return share, f"{counts.flipped or 0:,} of {counts.clicks:,} clicks ({share:.1%}) are judged differently"
