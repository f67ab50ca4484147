"""A candidate's release as it would serve, measured on the clicks that set none of its thresholds, and judged."""

from pathlib import Path

import msgspec

from calibrate.result import Calibrated
from contracts.errors import Misconfigured
from contracts.scored import Scored
from contracts.summaries import Promised
from contracts.verdicts import GuardrailVerdict
from guardrails.change import judge_change
from guardrails.limits import Limits
from guardrails.model import judge_model
from model.manifest import CALIBRATION, SLICES
from model.model_summaries import summarise_model
from model.reading import Labelled, open_labelled
from model.release import Release, load_release
from model.scorer import scorer_for
from model.scoring import score_rows
from slidr.retrain.layout import RELEASE
from slidr.retrain.plan import Plan


def judge_release(
    candidate: Path, version: str, plan: Plan, limits: Limits, champion: Release | None
) -> list[GuardrailVerdict]:
    """Judge the candidate's release, which loads, and what it changes against the champion.

    Raises Misconfigured or BadInput for files of the candidate that are gone or damaged.
    """
    release, promised = load_release(str(candidate / RELEASE), version), _promised(candidate, plan)
    test, busy_over = _test(candidate, plan), plan.asked.goals.busy_over
    beside = None
    if champion is not None and champion.onnx is not None:
        beside = (_scored(champion, test), champion.thresholds)
    model = summarise_model(_scored(release, test), release.thresholds, busy_over, beside)
    return [*judge_model(model, promised, limits), *judge_change(model, limits)]


def _promised(candidate: Path, plan: Plan) -> Promised:
    """What calibration was asked for and found, whatever the release says."""
    path, goals = candidate / "calibration" / CALIBRATION, plan.asked.goals
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Calibrated)
    except (msgspec.DecodeError, OSError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}. Make the candidate again.") from error
    return Promised(
        fpr_budget=goals.fpr_budget,
        slice_fpr_cap=goals.cap,
        coverage_floors={name: goals.floor(name) for name in SLICES},
        predicted_upper=found.predicted_upper,
        thresholds=found.thresholds,
    )


def _test(candidate: Path, plan: Plan) -> Labelled:
    return open_labelled(candidate / "labels" / "judged").between(plan.parts.test_ms, plan.parts.end_ms)


def _scored(release: Release, clicks: Labelled) -> Scored:
    return score_rows(clicks, scorer_for(release), release.feature_ids)
