"""What a release does to scored clicks, and what another one does to the same, counted for guardrails."""

from collections.abc import Mapping
from math import isnan

import numpy as np

from contracts.scored import Scored
from contracts.summaries import ModelSummary, SliceModel
from model.evaluate import area_under_curve


def summarise_model(
    scored: Scored,
    thresholds: Mapping[str, float],
    busy_over: float,
    champion: tuple[Scored, Mapping[str, float]] | None = None,
) -> ModelSummary:
    """Count what thresholds do. `champion`: its scores of the same clicks, in the same order, and its thresholds.

    A score that is no number invalidates nothing.
    """
    is_score = (scored.score >= 0) & (scored.score <= 1)
    _, alike = np.unique(scored.score[is_score], return_counts=True)
    auc = area_under_curve(scored.score[is_score], scored.purchasing[is_score])
    return ModelSummary(
        slices=_slices(scored, thresholds, busy_over, champion),
        not_scores=int((~is_score).sum()),
        extreme=int(((scored.score == 0) | (scored.score == 1)).sum()),
        alike=int(alike.max(initial=0)),
        purchasing_auc=None if isnan(auc) else auc,
    )


def _slices(
    scored: Scored,
    thresholds: Mapping[str, float],
    busy_over: float,
    champion: tuple[Scored, Mapping[str, float]] | None,
) -> dict[str, SliceModel]:
    invalid, busy = scored.invalid(thresholds), scored.busy(busy_over)
    theirs = None if champion is None else champion[0].invalid(champion[1])
    found = {}
    for i, name in enumerate(scored.slices):
        inside = scored.slice_index == i
        if inside.any():
            found[name] = SliceModel(
                clicks=int(inside.sum()),
                invalid=int(invalid[inside].sum()),
                purchasing=int(scored.purchasing[inside].sum()),
                purchasing_invalid=int((invalid & scored.purchasing)[inside].sum()),
                busy=int(busy[inside].sum()),
                busy_invalid=int((invalid & busy)[inside].sum()),
                threshold=thresholds[name],
                champion_threshold=None if champion is None else champion[1][name],
                champion_invalid=None if theirs is None else int(theirs[inside].sum()),
                flipped=None if theirs is None else int((theirs != invalid)[inside].sum()),
            )
    return found
