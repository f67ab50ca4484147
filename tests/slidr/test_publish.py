"""A candidate becomes a release if no guardrail blocks it, or somebody says why all the same; whole or not at all."""

import json
import re
import shutil
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import onnx
import pytest
from onnx import numpy_helper
from typer.testing import CliRunner, Result

from calibrate.goals import Goals
from contracts.errors import Misconfigured, Refused
from contracts.verdicts import GuardrailVerdict
from guardrails.limits import read_limits
from model.manifest import FILES, SLICES, Manifest
from model.release import load_release, read_files, write_release
from model.signature import read_signing_key
from model.store import ModelStore
from rules.ruleset import RuleSet
from slidr import publishing
from slidr.commands import app
from slidr.guarding_file import judge_file, release_files
from slidr.history import write_history
from slidr.loading import load_judge
from slidr.parents import PARENTS
from slidr.publishing import Asked, Outcome, publish
from tests.killed import killed_at_step
from tests.model.test_release import draft
from tests.model.test_signature import keys, new_key
from tests.slidr.test_retrain import ASKED, SCENARIO, candidate_of

PASSED = GuardrailVerdict("fpr", "passed", "The FPR is fine.", measured=0.01, limit=0.05)
SKIPPED = GuardrailVerdict("drift", "not judged", "There is only one week.")
BLOCKED = GuardrailVerdict("fpr", "blocked", "The FPR is 7 %.", "Lower it.", "mobile|user", 0.07, 0.05)
REASON = "The drift is the new site, ticket 1234 <b>"


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history") / "week"
    write_history(SCENARIO, RuleSet.default(), folder)
    return folder


@pytest.fixture(scope="module")
def made(history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished candidate."""
    return Path(candidate_of(history, tmp_path_factory.mktemp("candidate")).folder)


@pytest.fixture
def spoilt(made: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may spoil."""
    return shutil.copytree(made, tmp_path / "spoilt")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def version_of(candidate: Path) -> str:
    (release,) = (candidate / "release").iterdir()
    return release.name


def published(candidate: Path, models: Path, *verdicts: GuardrailVerdict, **asked: Any) -> Outcome:
    return publish(candidate, Asked(str(models), lambda *_: verdicts, **asked))


def manifest_of(models: Path, version: str) -> Manifest:
    return read_files(str(models), version)[0]


def test_a_published_release_decides_as_the_candidate_and_keeps_what_was_said_of_it(made: Path, models: Path) -> None:
    outcome = published(made, models, PASSED, SKIPPED)

    manifest, contents = read_files(str(models), outcome.version)
    before, ours = read_files(str(made / "release"), outcome.version)
    assert (outcome.published, outcome.already, outcome.version) == (True, False, version_of(made))
    assert {name: contents[name] for name in FILES} == ours
    assert [verdict.guardrail for verdict in manifest.verdicts] == ["fpr", "drift"]
    assert outcome.verdicts == manifest.verdicts
    assert set(manifest.expected) == set(SLICES)
    assert (manifest.metrics, manifest.training, manifest.expected) == (
        before.metrics,
        before.training,
        before.expected,
    )
    assert load_release(str(models), outcome.version).thresholds


def test_the_report_of_the_release_begins_with_the_verdicts(made: Path, models: Path) -> None:
    outcome = published(made, models, PASSED, BLOCKED, override=REASON)

    page = read_files(str(models), outcome.version)[1]["report.html"].decode()
    ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))
    assert page.index("</h1>") < page.index("1 blocked, 1 passed.") < page.index("The FPR is 7 %.")
    assert page.index("The FPR is 7 %.") < page.index("The FPR is fine.") < page.index("Thresholds by slice")
    assert "Lower it." in page
    assert "ticket 1234 &lt;b&gt;" in page


def test_what_is_blocked_is_not_published(made: Path, models: Path) -> None:
    outcome = published(made, models, PASSED, BLOCKED)

    assert not outcome.published
    assert BLOCKED in outcome.verdicts
    assert ModelStore(str(models)).versions() == []


def test_a_reason_overrides_and_is_kept_for_ever(made: Path, models: Path) -> None:
    outcome = published(made, models, BLOCKED, override=REASON)

    manifest = manifest_of(models, outcome.version)
    assert outcome.published
    assert manifest.override == outcome.override == REASON
    assert BLOCKED in manifest.verdicts


def test_a_reason_that_was_not_needed_is_not_kept(made: Path, models: Path) -> None:
    outcome = published(made, models, PASSED, override=REASON)

    assert outcome.override is None
    assert manifest_of(models, outcome.version).override is None


def test_published_again_it_is_left_as_it_is_and_not_judged(made: Path, models: Path) -> None:
    first = published(made, models, PASSED)
    written = {path: path.read_bytes() for path in models.rglob("*") if path.is_file()}

    again = published(made, models, BLOCKED)

    assert again == msgspec.structs.replace(first, already=True)
    assert {path: path.read_bytes() for path in models.rglob("*") if path.is_file()} == written


def test_another_release_of_that_version_is_never_replaced(made: Path, models: Path) -> None:
    write_release(str(models), version_of(made), draft())

    with pytest.raises(Refused, match=r"already, with another model\.onnx and calibration\.json and rules\.json"):
        published(made, models)


def test_candidates_of_other_goals_are_releases_of_other_versions(history: Path, made: Path, tmp_path: Path) -> None:
    other = msgspec.structs.replace(ASKED, goals=Goals(fpr_budget=0.2, parents=PARENTS))

    candidate_of(history, tmp_path / "other", other)

    assert (tmp_path / "other" / "network" / "model.onnx").read_bytes() == (
        made / "network" / "model.onnx"
    ).read_bytes()
    assert version_of(tmp_path / "other") != version_of(made)


def test_the_champion_is_the_parent_and_must_be_there(made: Path, models: Path) -> None:
    write_release(str(models), "v1", draft())

    with pytest.raises(Misconfigured, match=r"no release 'v2' in .* to take the place of"):
        published(made, models, champion="v2")
    outcome = published(made, models, champion="v1")

    assert outcome.parent == manifest_of(models, outcome.version).parent == "v1"


def test_rules_alone_may_be_the_champion(made: Path, models: Path) -> None:
    assert published(made, models, champion="pass-through").parent == "pass-through"


@pytest.mark.parametrize("name", FILES)
def test_a_tampered_file_blocks_whatever_the_reason(spoilt: Path, models: Path, name: str) -> None:
    path = spoilt / "release" / version_of(spoilt) / name
    path.write_bytes(path.read_bytes() + b" ")

    outcome = published(spoilt, models, override=REASON)

    (verdict,) = outcome.verdicts
    assert not outcome.published
    assert (verdict.guardrail, verdict.outcome) == ("release_files", "blocked")
    assert f"{name} has sha256" in verdict.sentence
    assert not models.exists()


def rewritten(candidate: Path, **changes: Any) -> None:
    """The candidate's release, with digests that fit, of something else."""
    version = version_of(candidate)
    manifest, contents = read_files(str(candidate / "release"), version)
    shutil.rmtree(candidate / "release")
    made = {"onnx": "model.onnx", "rules_json": "rules.json", "calibration_json": "calibration.json"}
    fields = {name: contents[file] for name, file in made.items()} | {"feature_ids": manifest.feature_ids} | changes
    write_release(str(candidate / "release"), version, draft(**fields))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"onnx": b"no graph"}, "The model cannot be used"),
        ({"feature_ids": ("logged_in",)}, "lists 1 features and its model reads"),
        ({"rules_json": b'{"lists": 1}'}, "rules.json"),
    ],
)
def test_what_workers_could_not_load_is_blocked(spoilt: Path, changes: dict[str, Any], says: str) -> None:
    rewritten(spoilt, **changes)

    verdict = release_files(spoilt, version_of(spoilt))

    assert verdict.outcome == "blocked"
    assert says in verdict.sentence
    assert "slidr retrain" in verdict.remedy


def test_a_feature_that_is_not_known_here_is_blocked(spoilt: Path) -> None:
    path = spoilt / "release" / version_of(spoilt) / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"feature_ids": [*manifest["feature_ids"][1:], "mood"]}))

    verdict = release_files(spoilt, version_of(spoilt))

    assert verdict.outcome == "blocked"
    assert "does not know: mood" in verdict.sentence


def outcomes(candidate: Path) -> dict[str, str]:
    return {
        verdict.guardrail: verdict.outcome for verdict in judge_file(candidate, version_of(candidate), read_limits())
    }


def test_the_model_of_a_candidate_is_judged_by_itself(made: Path) -> None:
    assert outcomes(made) == dict.fromkeys(["finite_scores", "varied_scores", "score_parity", "latency"], "passed")


def test_a_model_that_is_not_the_one_that_was_calibrated_is_blocked(spoilt: Path) -> None:
    rewritten(spoilt, onnx=biased(spoilt))

    assert outcomes(spoilt)["score_parity"] == "blocked"


def test_without_the_clicks_of_the_test_parity_is_not_judged(spoilt: Path) -> None:
    shutil.rmtree(spoilt / "labels")

    assert outcomes(spoilt)["score_parity"] == "not judged"


@pytest.mark.parametrize("missing", ["release", "calibration"])
def test_a_candidate_that_is_not_finished_is_refused(spoilt: Path, models: Path, missing: str) -> None:
    shutil.rmtree(spoilt / missing)

    with pytest.raises(Misconfigured, match=r"slidr retrain|Make the candidate again"):
        published(spoilt, models, PASSED)

    assert not models.exists()


def test_a_folder_that_is_no_candidate_is_refused(tmp_path: Path, models: Path) -> None:
    with pytest.raises(Misconfigured, match=r"is no finished candidate: it has 0 releases"):
        published(tmp_path, models)


def test_a_signed_release_is_what_workers_trust(made: Path, models: Path, tmp_path: Path) -> None:
    private = new_key(tmp_path, "signer")

    outcome = published(made, models, key=read_signing_key(private), trusted=keys(private))

    assert load_release(str(models), outcome.version, keys(private)).version == outcome.version


def test_what_workers_would_not_trust_is_not_published(made: Path, models: Path, tmp_path: Path) -> None:
    ours, theirs = new_key(tmp_path, "ours"), new_key(tmp_path, "theirs")

    with pytest.raises(Misconfigured, match="is not signed"):
        published(made, models, trusted=keys(theirs))
    with pytest.raises(Misconfigured, match="of none of the 1 key"):
        published(made, models, trusted=keys(theirs), key=read_signing_key(ours))

    assert not models.exists()


def test_a_kill_at_any_step_leaves_a_whole_release_or_none_and_the_next_attempt_succeeds(
    made: Path, tmp_path: Path
) -> None:
    """Lines of `slidr/publishing.py`, and all that is done to files."""
    seen = []
    for step in count():
        models = tmp_path / str(step)
        killed = killed_at_step(partial(published, made, models, PASSED), publishing, step)
        seen.append(ModelStore(str(models)).has(version_of(made)))
        outcome = published(made, models, PASSED)
        assert (outcome.published, outcome.already) == (True, seen[-1])
        assert manifest_of(models, outcome.version).verdicts == outcome.verdicts
        if not killed:
            break

    assert seen == sorted(seen)
    assert set(seen) == {False, True}


def slidr(models: Path, *arguments: object, **settings: object) -> Result:
    environment = {f"SLIDR_{name}": str(value) for name, value in {"MODELS_URI": models, **settings}.items()}
    return CliRunner().invoke(app, ["publish", *map(str, arguments)], env=environment)


def test_the_command_says_what_to_type_next(made: Path, models: Path) -> None:
    run = slidr(models, made)

    assert run.exit_code == 0
    assert re.search(r"^\d+ of \d+ guardrails passed, 0 block\.$", run.stdout, re.MULTILINE)
    assert run.stdout.endswith(f'Put it to work: slidr promote {version_of(made)} --reason "WHY"\n')
    assert "was published before" in slidr(models, made).stdout


def test_the_command_says_what_blocks_and_what_to_do(spoilt: Path, models: Path) -> None:
    """Thresholds of a model that is not this one."""
    rewritten(spoilt, onnx=biased(spoilt))

    run = slidr(models, spoilt)

    said = " ".join(run.stdout.split())
    assert run.exit_code == 1
    assert "BLOCKED score_parity: Scored again by the release's own file" in said
    assert "limit 1e-05" in said
    assert "Make the candidate again" in said
    assert f'slidr publish {spoilt} --override "REASON"' in said
    assert not models.exists()


def biased(candidate: Path) -> bytes:
    """The candidate's model, a little surer that everybody is a robot."""
    graph = onnx.load_model(candidate / "network" / "model.onnx")
    for array in graph.graph.initializer:
        if array.name == "bias2":
            array.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(array) + 1, array.name))
    return bytes(graph.SerializeToString())


def test_a_script_gets_the_verdicts_and_an_exit_code(spoilt: Path, models: Path) -> None:
    rewritten(spoilt, onnx=biased(spoilt))

    refused = slidr(models, spoilt, "--json")
    overridden = slidr(models, spoilt, "--json", "--override", REASON)

    assert (refused.exit_code, overridden.exit_code) == (1, 0)
    told = json.loads(refused.stdout)
    assert told["published"] is False
    assert {v["guardrail"]: v["outcome"] for v in told["verdicts"]}["score_parity"] == "blocked"
    assert json.loads(overridden.stdout)["override"] == REASON


def test_the_command_signs_with_the_key_of_the_settings(made: Path, models: Path, tmp_path: Path) -> None:
    private = new_key(tmp_path, "signer")

    run = slidr(models, made, SIGNING_KEY_FILE=private, TRUSTED_KEYS_FILE=private.with_suffix(".public"))

    assert run.exit_code == 0
    assert load_release(str(models), version_of(made), keys(private)).version == version_of(made)


def test_an_empty_reason_is_none(made: Path, models: Path) -> None:
    run = slidr(models, made, "--override", " ")

    assert isinstance(run.exception, Misconfigured)
    assert "say why" in str(run.exception)


def test_workers_load_what_was_published_and_refuse_what_nobody_signed(
    made: Path, models: Path, tmp_path: Path
) -> None:
    private = new_key(tmp_path, "signer")
    version = published(made, models).version

    assert load_judge(str(models), version).version == version
    with pytest.raises(Misconfigured, match="is not signed"):
        load_judge(str(models), version, private.with_suffix(".public"))
