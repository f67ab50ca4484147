"""From a plan to a candidate: all steps, and what came of them."""

from datetime import UTC, datetime
from math import nan
from pathlib import Path
from typing import Final

from msgspec import Struct

from calibrate.result import Calibrated
from contracts.scored import Scored
from contracts.verdicts import SliceBands
from model.bands import bands
from model.manifest import CALIBRATION, MODEL, Training
from model.release import Draft, write_release
from slidr.calibrating import calibrate_and_test, write_result
from slidr.report.material import Material, Model, material
from slidr.retrain import contenders, steps
from slidr.retrain.contenders import Seen
from slidr.retrain.plan import Plan, sha256
from slidr.retrain.watcher import Watcher

RELEASE: Final = "release"
_CALIBRATED: Final = "calibration"


class Candidate(Struct, frozen=True):
    """What came of a plan; `report` is the page for people. `seen` and `baselines` are of clicks that set nothing."""

    folder: str
    version: str
    clicks: int
    epochs: int
    calibrated: Calibrated
    seen: Seen
    baselines: dict[str, Seen]

    def metrics(self) -> dict[str, float]:
        """The numbers that a release's manifest keeps."""
        achieved, auc = self.seen.achieved, self.seen.robot_auc
        return {
            "ivr": achieved.ivr.value or 0.0,
            "fpr": achieved.fpr.value or 0.0,
            "fpr_low": achieved.fpr.low,
            "fpr_high": achieved.fpr.high,
            **({} if achieved.coverage.value is None else {"coverage": achieved.coverage.value}),
            **({} if auc is None else {"robot_auc": auc}),
            **{f"invalid_{kind}": share.value or 0.0 for kind, share in self.seen.invalid_by_kind.items()},
            "fpr_budget": self.calibrated.goals.fpr_budget,
        }


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
        version=_version((folder / "network" / MODEL).read_bytes(), created_at_ms),
        clicks=cut.clicks,
        epochs=len(steps.read_trained(folder).epochs),
        calibrated=calibrated,
        seen=contenders.seen(test, calibrated.thresholds, calibrated.held_out.overall, goals.busy_over),
        baselines=contenders.measured(folder, plan, cut, network.feature_ids, watcher) if wanted else {},
    )
    if not (folder / _CALIBRATED).exists():
        watcher.step("report")
        write_result(folder / _CALIBRATED, _shown(candidate, scored, test))
    if not (folder / RELEASE / candidate.version).exists():
        expected = bands(test, calibrated.thresholds, goals.busy_over)
        draft = _draft(candidate, plan, cut, network.feature_ids, rules_json, created_at_ms, expected)
        write_release(str(folder / RELEASE), candidate.version, draft)
    return candidate


def _shown(candidate: Candidate, scored: Scored, test: Scored) -> Material:
    models = {
        name: Model(seen.achieved, seen.robot_auc)
        for name, seen in {"network": candidate.seen, **candidate.baselines}.items()
    }
    # An hour that training did not see has no weight, not a weight of nothing.
    weights = [weight or nan for weight in steps.read_trained(Path(candidate.folder)).hour_weights]
    return material(candidate.calibrated, scored, test, weights, models)


def _draft(
    candidate: Candidate,
    plan: Plan,
    cut: steps.Cut,
    feature_ids: tuple[str, ...],
    rules_json: bytes,
    created_at_ms: int,
    expected: dict[str, SliceBands],
) -> Draft:
    folder, parts = Path(candidate.folder), plan.parts
    return Draft(
        onnx=(folder / "network" / MODEL).read_bytes(),
        rules_json=rules_json,
        calibration_json=(folder / _CALIBRATED / CALIBRATION).read_bytes(),
        feature_ids=feature_ids,
        training=Training(parts.training_ms, parts.learned_ms, cut.learned_clicks, plan.asked.schedule.seed),
        metrics=candidate.metrics(),
        created_at_ms=created_at_ms,
        expected=expected,
    )


def _version(onnx: bytes, created_at_ms: int) -> str:
    """Time, so that names sort as they were made, and a digest, so that two of one second differ."""
    at = datetime.fromtimestamp(created_at_ms / 1000, UTC)
    return f"{at:%Y%m%dT%H%M%SZ}-{sha256(onnx)[:8]}"
