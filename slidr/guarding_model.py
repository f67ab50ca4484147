"""A candidate's release as it would serve, measured on the clicks that set none of its thresholds, and judged."""

from pathlib import Path
from typing import Final

import msgspec

from calibrate.result import Calibrated
from contracts.errors import Misconfigured, SlidrError
from contracts.scored import Scored
from contracts.summaries import Promised
from contracts.verdicts import GuardrailVerdict
from guardrails.change import judge_change
from guardrails.limits import Limits
from guardrails.model import judge_model
from guardrails.verdicts import Guardrail
from model.manifest import CALIBRATION, SLICES
from model.model_summaries import summarise_model
from model.reading import Labelled, open_labelled
from model.release import Release, load_release
from model.scorer import scorer_for
from model.scoring import score_rows
from slidr.retrain.layout import RELEASE
from slidr.retrain.plan import Plan

FILES: Final = Guardrail(
    "release_files",
    "Files of the release",
    "Make the candidate again with `slidr retrain`, and change nothing in its folder.",
)


def judge_release(candidate: Path, plan: Plan, limits: Limits, champion: Path | None) -> list[GuardrailVerdict]:
    """Judge the candidate's release, and what it changes against the release in the folder `champion`.

    A release that cannot be loaded is judged by that alone. Raises Misconfigured where the champion cannot be loaded.
    """
    try:
        release, promised = _loaded(candidate / RELEASE), _promised(candidate, plan)
        scored = _scored(release, _test(candidate, plan))
    except SlidrError as error:
        return [
            GuardrailVerdict(
                FILES.name, "blocked", f"The release cannot be used: {error}", FILES.remedy, str(candidate)
            )
        ]
    theirs = None if champion is None else load_release(str(champion.parent), champion.name)
    beside = None
    if theirs is not None and theirs.onnx is not None:
        beside = (_scored(theirs, _test(candidate, plan)), theirs.thresholds)
    model = summarise_model(scored, release.thresholds, plan.asked.goals.busy_over, beside)
    passed = GuardrailVerdict(FILES.name, "passed", f"Release {release.version} loads, as it was written.")
    return [passed, *judge_model(model, promised, limits), *judge_change(model, limits)]


def _loaded(releases: Path) -> Release:
    # A dot: still being written.
    versions = [path.name for path in releases.glob("[!.]*")]
    if len(versions) != 1:
        raise Misconfigured(f"{releases} holds {len(versions)} releases, expected one. Finish the candidate.")
    return load_release(str(releases), versions[0])


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
