"""A candidate's release as a file: whether workers could load it, and what its model is like by itself."""

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

from contracts.errors import BadInput, SlidrError
from contracts.verdicts import GuardrailVerdict
from guardrails.limits import Limits
from model import soundness
from model.manifest import SLICES
from model.reading import Group, open_labelled
from model.release import Release, load_release
from model.scorer import OnnxScorer, scorer_for
from model.scoring import score_rows
from rules.ruleset import RuleSet
from slidr.retrain.layout import JUDGED, RELEASE, TEST_SCORES, read_outline
from slidr.scored_files import read_scored

_REMEDY: Final = "Make the candidate again, in a new folder: `slidr retrain`. What does not load cannot be overridden."
_PARITY_CLICKS: Final = 10_000


def release_files(candidate: Path, version: str) -> GuardrailVerdict:
    """Whether workers could load the candidate's release: digests, features, a threshold for each slice, rules."""
    try:
        release = load_release(str(candidate / RELEASE), version)
        RuleSet.from_json(release.rules_json)
        provider = scorer_for(release).provider
    except SlidrError as error:
        where = f"rules.json, {error.path}: " if isinstance(error, BadInput) else ""
        return GuardrailVerdict("release_files", "blocked", f"{where}{error}", _REMEDY)
    sentence = (
        f"Every file is that of the manifest, all {len(release.thresholds)} slices have a threshold, the rules are "
        f"well formed, and the model warms up on {provider}."
    )
    return GuardrailVerdict("release_files", "passed", sentence)


def judge_file(candidate: Path, version: str, limits: Limits) -> list[GuardrailVerdict]:
    """Guardrails on the model by itself, of a candidate whose release loads; nothing is changed."""
    release = load_release(str(candidate / RELEASE), version)
    assert release.onnx is not None, "candidates have a model"
    scorer = OnnxScorer(release.onnx)
    return [
        soundness.finite_scores(scorer, release.feature_ids, limits.finite_scores.most_share),
        soundness.varied_scores(scorer, release.feature_ids, limits.varied_scores.most_share),
        _parity(candidate, release, scorer, limits),
        soundness.latency(scorer, len(release.feature_ids), limits.latency.most_times),
    ]


def _parity(candidate: Path, release: Release, scorer: OnnxScorer, limits: Limits) -> GuardrailVerdict:
    """Of the first clicks that tested the thresholds, some ten thousand: enough to tell one model from another."""
    try:
        parts = read_outline(candidate).parts
        test = open_labelled(candidate / JUDGED).between(parts.test_ms, parts.end_ms)
        again = score_rows(test.of(_first(test.groups)), scorer, release.feature_ids).score
        scored = read_scored(candidate / TEST_SCORES, SLICES).score[: len(again)]
    except SlidrError as error:
        sentence = f"The clicks that tested the thresholds cannot be scored again: {error}"
        return GuardrailVerdict("score_parity", "not judged", sentence)
    return soundness.score_parity(scored, again, limits.score_parity.most_difference)


def _first(groups: Sequence[Group]) -> list[Group]:
    before = accumulate((group.rows for group in groups), initial=0)
    return [group for group, rows in zip(groups, before, strict=False) if rows < _PARITY_CLICKS]
