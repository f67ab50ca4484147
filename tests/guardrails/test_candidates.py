"""Candidates as `slidr retrain` makes them, sound and spoilt: each fault blocked by the guardrail that is for it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from calibrate.goals import Goals
from calibrate.result import Calibrated
from contracts.errors import BadInput, Misconfigured
from contracts.summaries import DaySummary
from contracts.verdicts import GuardrailVerdict
from guardrails.limits import Limits
from model.manifest import Manifest, thresholds_json
from model.release import Draft, Release, load_release, write_release
from model.train import Schedule
from rules.ruleset import RuleSet
from slidr.guarding import judge_candidate
from slidr.guarding_data import candidate_days, read_days, remember
from slidr.history import SIMULATED_MATURITY_MS, history_inputs
from slidr.parents import PARENTS
from slidr.retrain.candidate import make
from slidr.retrain.layout import RELEASE
from slidr.retrain.plan import PLAN, Asked, History, pinned, read_plan, sha256
from slidr.retrain.watcher import Watcher
from slidr.scored_files import read_scored
from tests.guardrails.simulated import at_ms

RULES: Final = RuleSet.default().to_json()
DAYS: Final = 18

# Whichever test comes first waits for the simulation.
pytestmark = pytest.mark.timeout(1200)


def made(history: Path, folder: Path, seed: int) -> Path:
    """A candidate of the last days of the history."""
    asked = Asked(
        history={"rows": "simulated"},
        goals=Goals(fpr_budget=0.1, coverage_floors={"desktop|user": 0.1}, parents=PARENTS),
        schedule=Schedule(seed=seed, max_epochs=3),
        rules_sha256=sha256(RULES),
        maturity_ms=SIMULATED_MATURITY_MS,
    )
    folder.mkdir()
    plan = pinned(folder, asked, lambda: History(history_inputs(history), from_ms=at_ms(88 - DAYS)))
    make(folder, plan, RULES, None, plan.as_of_ms, Watcher())
    return folder


@pytest.fixture(scope="module")
def candidate(history: Path, clean: list[DaySummary], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = made(history, tmp_path_factory.mktemp("candidate") / "c", seed=1)
    candidate_days(folder, read_plan(folder))
    return folder


@pytest.fixture(scope="module")
def champion(history: Path, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """The release of another candidate, trained with another seed."""
    (folder,) = (made(history, tmp_path_factory.mktemp("champion") / "c", seed=2) / RELEASE).iterdir()
    return load_release(str(folder.parent), folder.name)


@pytest.fixture
def spoilt(candidate: Path, tmp_path: Path) -> Path:
    return shutil.copytree(candidate, tmp_path / "spoilt")


def release_of(candidate: Path) -> Path:
    (release,) = (candidate / RELEASE).iterdir()
    return release


def release_again(candidate: Path, onnx_bytes: bytes | None = None, thresholds: dict[str, float] | None = None) -> None:
    """Write the candidate's release anew with another model or thresholds, digests and all."""
    path = release_of(candidate)
    release = load_release(str(path.parent), path.name)
    assert release.manifest is not None
    assert release.onnx is not None
    draft = Draft(
        onnx=onnx_bytes or release.onnx,
        rules_json=release.rules_json,
        calibration_json=thresholds_json(thresholds or release.thresholds),
        feature_ids=release.feature_ids,
        training=release.manifest.training,
        metrics=release.manifest.metrics,
        created_at_ms=release.manifest.created_at_ms,
    )
    shutil.rmtree(path)
    write_release(str(path.parent), path.name, draft)


def with_weights(candidate: Path, change: Callable[[str, np.ndarray], np.ndarray]) -> bytes:
    """The candidate's model with other weights."""
    model = onnx.load(release_of(candidate) / "model.onnx")
    for weights in model.graph.initializer:
        values = change(weights.name, numpy_helper.to_array(weights))
        weights.CopyFrom(numpy_helper.from_array(values, weights.name))
    return bytes(model.SerializeToString())


def calibrated_to(candidate: Path, thresholds: dict[str, float]) -> None:
    """As if calibration had found these, and the release has them."""
    path = candidate / "calibration" / "calibration.json"
    found = msgspec.json.decode(path.read_bytes(), type=Calibrated)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(found, thresholds=thresholds)))
    release_again(candidate, thresholds=thresholds)


def thresholds_of(candidate: Path) -> dict[str, float]:
    path = release_of(candidate)
    return dict(load_release(str(path.parent), path.name).thresholds)


def blocked(candidate: Path, limits: Limits, champion: Release | None = None) -> dict[str, GuardrailVerdict]:
    verdicts = judge_candidate(candidate, limits, champion)
    return {verdict.guardrail: verdict for verdict in verdicts if verdict.outcome == "blocked"}


def test_a_sound_candidate_passes_beside_the_champion(candidate: Path, champion: Release, limits: Limits) -> None:
    verdicts = judge_candidate(candidate, limits, champion)

    assert [verdict.sentence for verdict in verdicts if verdict.outcome == "blocked"] == []
    judged = {verdict.guardrail for verdict in verdicts if verdict.outcome == "passed"}
    assert {"release_files", "fpr", "coverage", "ivr_change", "decision_flips", "threshold_jump", "scores"} <= judged


def test_every_verdict_is_named_in_the_file_of_limits_or_is_about_the_files(
    candidate: Path, champion: Release, limits: Limits
) -> None:
    names = {verdict.guardrail for verdict in judge_candidate(candidate, limits, champion)}

    assert names == {*limits.__struct_fields__, "release_files"} - {"trailing", "sentinel"}


def test_without_a_champion_change_is_not_judged(candidate: Path, limits: Limits) -> None:
    verdicts = {verdict.guardrail: verdict for verdict in judge_candidate(candidate, limits)}

    for name in ("ivr_change", "decision_flips", "threshold_jump"):
        assert verdicts[name].outcome == "not judged"
        assert "champion" in verdicts[name].sentence


def test_weights_that_are_no_numbers(spoilt: Path, limits: Limits) -> None:
    release_again(spoilt, with_weights(spoilt, lambda name, w: w * np.nan if name == "weight2" else w))

    found = blocked(spoilt, limits)["scores"]

    assert "no number" in found.sentence
    assert found.measured == 1


@pytest.mark.parametrize(("times", "says"), [(1e4, "exactly 0 or 1"), (0, "one and the same score")])
def test_scores_that_tell_nothing_apart(times: float, says: str, spoilt: Path, limits: Limits) -> None:
    change = with_weights(spoilt, lambda name, w: (w * times).astype(w.dtype) if name == "weight2" else w)
    release_again(spoilt, change)

    assert says in blocked(spoilt, limits)["scores"].sentence


def test_a_model_that_is_upside_down(spoilt: Path, limits: Limits) -> None:
    release_again(spoilt, with_weights(spoilt, lambda name, w: -w if name in ("weight2", "bias2") else w))

    assert blocked(spoilt, limits)["score_direction"].measured > 0.5


def test_features_that_nobody_knows(spoilt: Path, limits: Limits) -> None:
    path = release_of(spoilt) / "manifest.json"
    manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    names = ("moon_phase", *manifest.feature_ids[1:])
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, feature_ids=names)))

    found = blocked(spoilt, limits)

    assert "moon_phase" in found["release_files"].sentence


@pytest.mark.parametrize("name", ["model.onnx", "rules.json", "calibration.json"])
def test_a_file_that_was_tampered_with(name: str, spoilt: Path, limits: Limits) -> None:
    path = release_of(spoilt) / name
    path.write_bytes(path.read_bytes() + b" ")

    found = blocked(spoilt, limits)

    assert name in found["release_files"].sentence
    assert found["release_files"].remedy


def test_a_release_that_is_missing(spoilt: Path, limits: Limits) -> None:
    shutil.rmtree(release_of(spoilt))

    with pytest.raises(Misconfigured, match="is no finished candidate: it has 0 releases"):
        judge_candidate(spoilt, limits)


def test_thresholds_changed_after_calibration(spoilt: Path, limits: Limits) -> None:
    thresholds = thresholds_of(spoilt)
    release_again(spoilt, thresholds=thresholds | {"app|user": thresholds["app|user"] + 0.001})

    assert blocked(spoilt, limits)["calibration"].where == "app|user"


def test_thresholds_that_jumped(spoilt: Path, champion: Release, limits: Limits) -> None:
    calibrated_to(spoilt, {name: value - 0.5 for name, value in thresholds_of(spoilt).items()})

    found = blocked(spoilt, limits, champion)

    assert {"threshold_jump", "ivr_change", "decision_flips", "fpr", "slice_fpr"} <= set(found)


def test_a_model_that_invalidates_half_of_mobile(spoilt: Path, champion: Release, limits: Limits) -> None:
    """Its thresholds for phones are the medians of their scores, and calibration says that this is right."""
    thresholds = thresholds_of(spoilt)
    scored = read_scored(spoilt / "scored" / "test.parquet", tuple(thresholds))
    for name in ("mobile|user", "mobile|guest"):
        thresholds[name] = float(np.median(scored.score[scored.slice_index == scored.slices.index(name)]))
    calibrated_to(spoilt, thresholds)

    found = blocked(spoilt, limits, champion)

    assert "mobile" in found["ivr_change"].where
    assert "mobile" in found["slice_fpr"].where
    assert "slice_fpr" in blocked(spoilt, limits)


def test_busy_sessions_that_get_through(spoilt: Path, limits: Limits) -> None:
    plan = read_plan(spoilt)
    goals = msgspec.structs.replace(plan.asked.goals, coverage_floors={"desktop|user": 0.9})
    asked = msgspec.structs.replace(plan.asked, goals=goals)
    (spoilt / PLAN).write_bytes(msgspec.json.encode(msgspec.structs.replace(plan, asked=asked)))

    assert blocked(spoilt, limits)["coverage"].where == "desktop|user"


def test_history_kept_of_one_candidate_tells_what_is_usual_for_the_next(
    candidate: Path, limits: Limits, tmp_path: Path
) -> None:
    remember(candidate, tmp_path / "history")

    days = read_days(tmp_path / "history")
    assert [day.day for day in days] == sorted(day.day for day in candidate_days(candidate, read_plan(candidate)))[:-1]
    verdicts = judge_candidate(candidate, limits, history=tmp_path / "history")
    assert {verdict.outcome for verdict in verdicts} <= {"passed", "not judged"}


def test_a_folder_that_is_no_candidate_or_summaries_that_are_none(spoilt: Path, limits: Limits, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="is no finished candidate"):
        judge_candidate(tmp_path, limits)

    next((spoilt / "summaries").glob("*.json")).write_text("{")
    with pytest.raises(BadInput, match="is no summary of a day"):
        judge_candidate(spoilt, limits)
