"""From a plan to a candidate: all steps, and what came of them."""

from datetime import UTC, datetime
from math import nan
from pathlib import Path
from typing import Final

import msgspec

from calibrate.result import Calibrated
from contracts.scored import Scored
from contracts.verdicts import SliceBands
from model.bands import bands
from model.manifest import CALIBRATION, MODEL, Training
from model.release import Draft, write_release
from slidr.calibrating import calibrate_and_test, write_result
from slidr.report.material import Made, Material, Model, material
from slidr.retrain import contenders, steps
from slidr.retrain.layout import RELEASE
from slidr.retrain.outcome import Candidate, keep
from slidr.retrain.plan import Plan, sha256
from slidr.retrain.watcher import Watcher

_CALIBRATED: Final = "calibration"


def make(
    folder: Path, plan: Plan, rules_json: bytes, onnx: bytes | None, created_at_ms: int, watcher: Watcher
) -> Candidate:
    """Do what is left to do in the plan's folder. `onnx` takes the place of a network that is trained here.

    Raises Refused for a history that teaches nothing or goals that can't be shown to hold, BadInput and Misconfigured
    for files or a model of no use. What was finished before stays.
    """
    goals = plan.asked.goals
    cut = steps.label(folder, plan, watcher)
    network = steps.learn(folder, plan, cut, onnx, watcher)
    scored, test = steps.score(folder, network, cut, watcher)
    wanted = plan.asked.with_baselines
    calibrated = calibrate_and_test(scored, test, goals)
    assert calibrated.held_out is not None
    candidate = Candidate(
        folder=str(folder),
        version=_version((folder / "network" / MODEL).read_bytes(), rules_json, calibrated, created_at_ms),
        clicks=cut.clicks,
        epochs=len(steps.read_trained(folder).epochs),
        calibrated=calibrated,
        seen=contenders.seen(test, calibrated.thresholds, calibrated.held_out.overall, goals.busy_over),
        baselines=contenders.measured(folder, plan, cut, network.feature_ids, watcher) if wanted else {},
    )
    if not (folder / _CALIBRATED).exists():
        watcher.step("report")
        write_result(folder / _CALIBRATED, _shown(candidate, plan, cut, scored, test))
    if not (folder / RELEASE / candidate.version).exists():
        expected = bands(test, calibrated.thresholds, goals.busy_over)
        draft = _draft(candidate, _training(plan, cut), network.feature_ids, rules_json, created_at_ms, expected)
        write_release(str(folder / RELEASE), candidate.version, draft)
    keep(folder, candidate)
    return candidate


def _training(plan: Plan, cut: steps.Cut) -> Training:
    return Training(plan.parts.training_ms, plan.parts.learned_ms, cut.learned_clicks, plan.asked.schedule.seed)


def _shown(candidate: Candidate, plan: Plan, cut: steps.Cut, scored: Scored, test: Scored) -> Material:
    models = {
        name: Model(seen.achieved, seen.robot_auc)
        for name, seen in {"network": candidate.seen, **candidate.baselines}.items()
    }
    trained = steps.read_trained(Path(candidate.folder))
    made = Made(
        version=candidate.version,
        training=_training(plan, cut),
        validation_ms=plan.parts.validation_ms,
        losses=[(epoch.training_loss, epoch.validation_loss) for epoch in trained.epochs],
        # An hour that training did not see has no weight, not a weight of nothing.
        weights=[weight or nan for weight in trained.hour_weights],
    )
    return material(candidate.calibrated, scored, test, made, models)


def _draft(
    candidate: Candidate,
    training: Training,
    feature_ids: tuple[str, ...],
    rules_json: bytes,
    created_at_ms: int,
    expected: dict[str, SliceBands],
) -> Draft:
    folder = Path(candidate.folder)
    return Draft(
        onnx=(folder / "network" / MODEL).read_bytes(),
        rules_json=rules_json,
        calibration_json=(folder / _CALIBRATED / CALIBRATION).read_bytes(),
        feature_ids=feature_ids,
        training=training,
        metrics=candidate.metrics(),
        created_at_ms=created_at_ms,
        expected=expected,
    )


def _version(onnx: bytes, rules_json: bytes, calibrated: Calibrated, created_at_ms: int) -> str:
    """Time, so that names sort as they were made, and a digest of all that decides: two of one time differ."""
    at = datetime.fromtimestamp(created_at_ms / 1000, UTC)
    parts = (onnx, rules_json, msgspec.json.encode(calibrated))
    return f"{at:%Y%m%dT%H%M%SZ}-{sha256(b''.join(map(bytes.fromhex, map(sha256, parts))))[:8]}"
