"""Releases for tests: one small network, and thresholds that make it call nobody or everybody a robot."""

from functools import cache
from pathlib import Path

import msgspec
import numpy as np

from contracts.features import FEATURE_IDS, FEATURES
from contracts.verdicts import GuardrailVerdict
from model.export import export
from model.manifest import MANIFEST, SLICES, Training, read_manifest, thresholds_json
from model.network import RobotNetwork
from model.release import Draft, write_release
from rules.ruleset import RuleSet
from tests.builders import START_MS
from tests.model.labelled import fitted

NOBODY, EVERYBODY = "calls-nobody", "calls-everybody"
THRESHOLDS = {NOBODY: 2.0, EVERYBODY: 0.0}


@cache
def small_model() -> bytes:
    """A network that nobody trained, as ONNX."""
    table = np.random.default_rng(1).lognormal(1, 1, (300, len(FEATURES))).astype(np.float32)
    return export(RobotNetwork(fitted(table, FEATURE_IDS), seed=1), table, FEATURE_IDS)


def write_small_release(models: Path, version: str, threshold: float = 0.5) -> None:
    """One release into a model store."""
    draft = Draft(
        onnx=small_model(),
        rules_json=RuleSet.default().to_json(),
        calibration_json=thresholds_json(dict.fromkeys(SLICES, threshold)),
        feature_ids=FEATURE_IDS,
        training=Training(START_MS, START_MS + 1, 300, 1),
        metrics={},
        created_at_ms=START_MS,
    )
    write_release(str(models), version, draft)


def judge_by_guardrails(
    models: Path, version: str, verdicts: tuple[GuardrailVerdict, ...], override: str | None = None
) -> None:
    """Write verdicts into the manifest of a release."""
    file = models / version / MANIFEST
    manifest = read_manifest(version, file.read_bytes())
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, verdicts=verdicts, override=override)))
