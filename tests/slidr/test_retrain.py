"""From history to a candidate: nothing learned from what comes later, resumed after a kill, sentences for faults."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from calibrate.goals import Goals
from contracts.errors import BadInput, Misconfigured, Refused
from contracts.events import Click
from contracts.features import FEATURE_IDS
from contracts.rates import rate
from model.baselines import NAMES
from model.labels import Terms, write_labels
from model.manifest import SLICES
from model.release import load_release
from model.schedule import Schedule
from model.scorer import scorer_for
from rules.ruleset import RuleSet
from slidr.commands import app
from slidr.history import DAY_MS, SIMULATED_MATURITY_MS, history_inputs, history_scenario, write_history
from slidr.parents import PARENTS
from slidr.retrain.candidate import make
from slidr.retrain.inputs import parquet_files
from slidr.retrain.layout import RELEASE
from slidr.retrain.outcome import Candidate, finished
from slidr.retrain.parts import Parts, split
from slidr.retrain.plan import Asked, History, Plan, alone, pinned, sha256
from slidr.retrain.simulation import train_on_simulation
from slidr.retrain.watcher import Watcher
from streams.judge import Judge, Judged
from tests.conftest import WaitUntil
from tests.processes import run_slidr, start_slidr
from traffic.simulate import events

END_MS = 1_705_881_600_000  # 2024-01-22, a Monday
HOUR_MS = 3_600_000
AS_OF_MS = END_MS + SIMULATED_MATURITY_MS
# Of the few purchases of a short history only a generous budget can be shown to hold.
BUDGET = 0.25
RULES = RuleSet.default().to_json()
ASKED = Asked(
    history={"rows": "a week"},
    goals=Goals(fpr_budget=BUDGET, parents=PARENTS),
    schedule=Schedule(max_epochs=2),
    rules_sha256=sha256(RULES),
    maturity_ms=SIMULATED_MATURITY_MS,
)
SCENARIO = history_scenario(seed=3, end_ms=END_MS, days=7, clicks=9000, robot_share=0.2)
OPTIONS = ["--maturity-h", "2", "--fpr-budget", "0.25", "--as-of", "2024-01-22T02:00"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A week of history."""
    folder = tmp_path_factory.mktemp("history") / "week"
    write_history(SCENARIO, RuleSet.default(), folder)
    return folder


@pytest.fixture
def spoilt(files: Path, tmp_path: Path) -> Path:
    """A copy of the history that a test may spoil."""
    return shutil.copytree(files, tmp_path / "spoilt")


@pytest.fixture(scope="module")
def made(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    return candidate_of(files, tmp_path_factory.mktemp("candidate"))


def plan_of(files: Path, folder: Path, asked: Asked = ASKED, as_of_ms: int | None = AS_OF_MS) -> Plan:
    folder.mkdir(exist_ok=True)
    return pinned(folder, asked, lambda: History(history_inputs(files), as_of_ms=as_of_ms))


def candidate_of(
    files: Path, folder: Path, asked: Asked = ASKED, watcher: Watcher | None = None, as_of_ms: int | None = AS_OF_MS
) -> Candidate:
    plan = plan_of(files, folder, asked, as_of_ms)
    return make(folder, plan, RULES, None, plan.as_of_ms, watcher or Watcher())


def parts_of(files: Path) -> Parts:
    times = pq.read_table(files / "feature-log", columns=["clicked_at_ms"])["clicked_at_ms"].to_numpy()
    return split(int(times.min()), int(times.max()) + 1, SIMULATED_MATURITY_MS)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file, by its name within the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def change(folder: Path, name: str, how: Callable[[pa.Table], pa.Table]) -> None:
    """Rewrite the history's only file of that name."""
    (path,) = (folder / name).iterdir()
    pq.write_table(how(pq.read_table(path)), path)


def features_of(rows: pa.Table) -> np.ndarray:
    return rows["features"].combine_chunks().flatten().to_numpy().reshape(len(rows), -1)


def with_features(rows: pa.Table, features: np.ndarray) -> pa.Table:
    column = pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), features.shape[1])
    return rows.set_column(rows.schema.get_field_index("features"), "features", column)


def judged_again(files: Path, candidate: Candidate, folder: Path) -> tuple[Judged, np.ndarray]:
    """What a worker with the release says of the clicks of the last part, and which of them led to a purchase."""
    release = load_release(str(Path(candidate.folder) / RELEASE), candidate.version)
    parts = parts_of(files)
    clicks = [event for _, event, _ in events(SCENARIO) if isinstance(event, Click)]
    rows = pq.read_table(files / "feature-log")
    chosen = [i for i, click in enumerate(clicks) if parts.test_ms <= click.clicked_at_ms < parts.end_ms]
    part = [clicks[i] for i in chosen]
    judge = Judge(release, scorer_for(release), RuleSet.from_json(release.rules_json))
    judged = judge.judge(part, [click.clicked_at_ms for click in part], features_of(rows)[chosen])
    terms = Terms(parts.test_ms, parts.end_ms, AS_OF_MS, SIMULATED_MATURITY_MS)
    write_labels(history_inputs(files), terms, folder / "labels")
    return judged, pq.read_table(folder / "labels")["purchasing"].to_numpy()


def test_the_parts_follow_one_another_and_what_is_learned_was_mature_by_then() -> None:
    parts = split(0, 7 * DAY_MS, 7 * HOUR_MS)

    lengths = np.diff(parts) / (DAY_MS - HOUR_MS)
    assert np.allclose(lengths * 23, [4 * 23, 23, 7, 23, 23])
    assert parts.calibration_ms - parts.learned_ms == 7 * HOUR_MS
    assert (parts.training_ms, parts.end_ms) == (0, 7 * DAY_MS)


def test_the_release_judges_as_the_candidate_says(files: Path, made: Candidate, tmp_path: Path) -> None:
    judged, bought = judged_again(files, made, tmp_path)

    invalid = np.array([verdict == "invalid" for verdict in judged.verdicts.verdict])
    release = load_release(str(Path(made.folder) / RELEASE), made.version)
    seen = made.seen.achieved
    assert (seen.ivr.hits, seen.ivr.of) == (invalid.sum(), len(invalid))
    assert (seen.fpr.hits, seen.fpr.of) == ((invalid & bought).sum(), bought.sum())
    assert release.thresholds == made.calibrated.thresholds
    assert set(release.thresholds) == set(SLICES)
    assert release.manifest is not None
    assert release.manifest.metrics == made.metrics()
    assert set(release.manifest.expected) == set(SLICES)
    busiest = release.manifest.expected["mobile|user"]
    assert busiest.fpr.low <= seen.fpr.value <= busiest.fpr.high  # type: ignore[operator]


def test_the_budget_is_shown_to_hold_where_the_thresholds_were_set(made: Candidate) -> None:
    counted = made.calibrated.overall

    assert counted.fpr.hits > 0
    assert rate(counted.fpr.hits, counted.fpr.of).value < made.calibrated.predicted_upper <= BUDGET


def test_robots_are_found_more_often_than_people(made: Candidate) -> None:
    found = {kind: share.value or 0.0 for kind, share in made.seen.invalid_by_kind.items()}

    assert (made.seen.robot_auc or 0) > 0.8
    assert found["burst"] > 3 * found["human"]


def test_the_report_shows_weights_and_what_made_the_clicks(made: Candidate) -> None:
    page = (Path(made.folder) / "calibration" / "report.html").read_text()

    assert f"candidate {made.version}" in page
    assert "<h2>Learning</h2>" in page
    assert "Weight of a click in training" in page
    assert "session_hopper" in page
    assert "Against simpler models" not in page


def test_training_on_a_simulation_is_training_on_its_files(made: Candidate, tmp_path: Path) -> None:
    models = str(tmp_path / "models")

    found = train_on_simulation(
        SCENARIO, RuleSet.default(), BUDGET, Schedule(max_epochs=2), models, created_at_ms=AS_OF_MS
    )

    ours = load_release(str(Path(made.folder) / RELEASE), made.version)
    assert found.version == made.version
    assert load_release(models, found.version).manifest == ours.manifest


def test_nothing_is_learned_from_what_comes_after_validation(spoilt: Path, made: Candidate, tmp_path: Path) -> None:
    """Other features of later clicks, and only every other later purchase."""
    parts = parts_of(spoilt)

    def other_features(rows: pa.Table) -> pa.Table:
        features = features_of(rows).copy()
        features[rows["clicked_at_ms"].to_numpy() >= parts.learned_ms] *= 3
        return with_features(rows, features)

    def fewer(purchases: pa.Table) -> pa.Table:
        early = pc.less(purchases["purchased_at_ms"], parts.calibration_ms)
        return purchases.filter(pc.or_(early, pa.array(np.arange(len(purchases)) % 2 == 0)))

    change(spoilt, "feature-log", other_features)
    change(spoilt, "purchases", fewer)
    other = candidate_of(spoilt, tmp_path / "other")

    assert other.seen != made.seen
    assert (tmp_path / "other" / "network" / "model.onnx").read_bytes() == (
        Path(made.folder) / "network" / "model.onnx"
    ).read_bytes()


def test_the_baselines_are_measured_on_the_same_clicks_and_counting_is_not_enough(files: Path, tmp_path: Path) -> None:
    asked = msgspec.structs.replace(ASKED, schedule=Schedule(max_epochs=6), with_baselines=True)

    found = candidate_of(files, tmp_path / "c", asked)

    page = (tmp_path / "c" / "calibration" / "report.html").read_text()
    assert tuple(found.baselines) == NAMES
    assert all(each.achieved.fpr.of == found.seen.achieved.fpr.of for each in found.baselines.values())
    assert (found.seen.robot_auc or 0) > (found.baselines["velocity"].robot_auc or 1)
    assert all(name in page for name in NAMES)


def test_the_same_plan_gives_the_same_bytes(files: Path, made: Candidate, tmp_path: Path) -> None:
    candidate_of(files, tmp_path / "again")

    assert contents(tmp_path / "again") == contents(Path(made.folder))


STEPS = [
    "plan.json",
    "labels/learned",
    "labels/judged",
    "network",
    "scored",
    "calibration",
    "release",
    "candidate.json",
]


@pytest.mark.parametrize("kept", range(len(STEPS) + 1))
def test_what_was_finished_is_not_done_again(files: Path, made: Candidate, tmp_path: Path, kept: int) -> None:
    folder = shutil.copytree(made.folder, tmp_path / "c")
    for step in STEPS[kept:]:
        shutil.rmtree(folder / step) if (folder / step).is_dir() else (folder / step).unlink()
    written = {name: (folder / name).stat().st_mtime_ns for name in contents(folder)}

    found = candidate_of(files, folder)

    assert contents(folder) == contents(Path(made.folder))
    assert {name: (folder / name).stat().st_mtime_ns for name in written} == written
    assert msgspec.structs.replace(found, folder="") == msgspec.structs.replace(made, folder="")


@pytest.fixture(scope="module")
def undisturbed(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A candidate that the command made; beside it, in `stderr`, what it said on the way."""
    folder = tmp_path_factory.mktemp("undisturbed") / "c"
    done = run_slidr(command(files, folder), os.environ, folder.parent)
    assert done.returncode == 0, done.stderr
    (folder.parent / "stderr").write_text(done.stderr)
    return folder


def test_a_log_file_has_a_line_for_each_step_and_no_bars(undisturbed: Path) -> None:
    said = (undisturbed.parent / "stderr").read_text().splitlines()

    steps = [line.partition("  ")[2] for line in said]
    assert steps == ["labels", "labels", "network", "scores for calibration", "scores for test", "report"]


def test_a_kill_at_any_moment_leaves_what_the_next_run_finishes(
    files: Path, undisturbed: Path, tmp_path: Path, wait_until: WaitUntil
) -> None:
    """The same bytes as a run that nobody killed, whichever step it was in."""
    killed = tmp_path / "killed"

    for step in ("plan.json", "labels/learned", "network", "scored/test.parquet"):
        with start_slidr(command(files, killed), os.environ, tmp_path) as run:
            wait_until((killed / step).exists)
            run.kill()
    assert run_slidr(command(files, killed), os.environ, tmp_path).returncode == 0

    assert contents(killed) == contents(undisturbed)


def test_a_finished_candidate_is_shown_without_loading_what_makes_one(files: Path, undisturbed: Path) -> None:
    """Torch and the solver of calibration take many seconds to load on a busy machine."""
    loading = [sys.executable, "-X", "importtime", "-m", "slidr", *command(files, undisturbed, "--json")]

    shown = subprocess.run(loading, check=True, capture_output=True, text=True)

    loaded = {line.rpartition("|")[2].strip() for line in shown.stderr.splitlines()}
    assert "slidr.retrain.plan" in loaded
    assert not loaded & {"torch", "cvxpy", "onnxruntime"}
    told = json.loads(shown.stdout)
    assert told["folder"] == str(undisturbed)
    assert load_release(str(undisturbed / RELEASE), told["version"]).thresholds == told["calibrated"]["thresholds"]


def test_a_candidate_whose_release_is_gone_is_not_finished(made: Candidate, tmp_path: Path) -> None:
    folder = shutil.copytree(made.folder, tmp_path / "c")
    found = finished(folder)
    shutil.rmtree(folder / RELEASE)

    assert found == msgspec.structs.replace(made, folder=str(folder))
    assert finished(folder) is None


def command(files: Path, folder: Path, *more: str) -> tuple[str, ...]:
    history = ("--rows", f"{files}/feature-log", "--purchases", f"{files}/purchases")
    return ("retrain", str(folder), *history, *OPTIONS, *more)


def test_a_folder_that_was_begun_with_other_wishes_is_left_alone(files: Path, made: Candidate, tmp_path: Path) -> None:
    folder = shutil.copytree(made.folder, tmp_path / "c")
    asked = msgspec.structs.replace(ASKED, goals=Goals(fpr_budget=0.3, parents=PARENTS), schedule=Schedule(seed=9))

    with pytest.raises(Refused, match="was begun with other goals, schedule"):
        candidate_of(files, folder, asked)

    assert contents(folder) == contents(Path(made.folder))


def test_other_goals_begin_again_at_the_thresholds_until_there_is_a_release(files: Path, tmp_path: Path) -> None:
    """What was refused may be asked for differently without training again."""
    folder, too_much = tmp_path / "c", Goals(fpr_budget=0.0001, coverage_floor=0.9, parents=PARENTS)
    with pytest.raises(Refused):
        candidate_of(files, folder, msgspec.structs.replace(ASKED, goals=too_much))
    trained = (folder / "network" / "model.onnx").stat().st_mtime_ns

    found = candidate_of(files, folder)

    assert (folder / "network" / "model.onnx").stat().st_mtime_ns == trained
    assert found.calibrated.goals == ASKED.goals
    with pytest.raises(Refused, match="was begun with other goals"):
        candidate_of(files, folder, msgspec.structs.replace(ASKED, goals=Goals(fpr_budget=0.3, parents=PARENTS)))


def test_goals_that_make_no_sense_are_refused_before_anything_is_done(files: Path, tmp_path: Path) -> None:
    goals = Goals(fpr_budget=BUDGET, coverage_floors={"phone": 0.5}, parents=PARENTS)

    with pytest.raises(Misconfigured, match="slices that are not there: phone"):
        candidate_of(files, tmp_path / "c", msgspec.structs.replace(ASKED, goals=goals))

    assert not list((tmp_path / "c").iterdir())


@pytest.mark.parametrize("name", ["feature-log", "purchases", "truth"])
def test_a_byte_that_changed_within_a_file_is_found_before_anything_is_made_of_it(
    spoilt: Path, tmp_path: Path, name: str
) -> None:
    """Features with other bits would be features all the same."""
    (path,) = (spoilt / name).iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(BadInput, match=path.name):
        candidate_of(spoilt, tmp_path / "c")

    assert not list((tmp_path / "c").iterdir())


def test_two_do_not_make_one_candidate(tmp_path: Path) -> None:
    with alone(tmp_path / "c"), pytest.raises(Refused, match="Somebody else is making"), alone(tmp_path / "c"):
        pass


def test_a_file_in_the_folders_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("")

    with pytest.raises(Misconfigured, match="c cannot be written"), alone(tmp_path / "c"):
        pass


def test_a_watcher_hears_of_every_step(files: Path, tmp_path: Path) -> None:
    heard: dict[str, tuple[int, int]] = {}
    steps: list[str] = []

    class Told(Watcher):
        def step(self, what: str) -> None:
            steps.append(what)

        def labelled(self, done: int, days: int) -> None:
            heard["days"] = (done, days)

        def rows(self, done: int, at_most: int) -> None:
            heard["rows"] = (done, at_most)

        def scored(self, done: int, clicks: int) -> None:
            heard["scored"] = (done, clicks)

    candidate_of(files, tmp_path / "c", watcher=Told())

    assert steps == ["labels", "labels", "network", "scores for calibration", "scores for test", "report"]
    assert heard["days"][0] == heard["days"][1]
    assert heard["rows"][0] == heard["rows"][1] > 8000
    assert 0 < heard["scored"][0] <= heard["scored"][1]


def without_purchases(folder: Path) -> None:
    change(folder, "purchases", lambda purchases: purchases.slice(0, 0))


def without_late_purchases(folder: Path) -> None:
    known_ms = parts_of(folder).calibration_ms
    change(folder, "purchases", lambda p: p.filter(pc.less(p["purchased_at_ms"], known_ms)))


def thinned_out(folder: Path) -> None:
    change(folder, "feature-log", lambda rows: rows.filter(pa.array(np.arange(len(rows)) % 18 == 0)))


def cut_short(folder: Path) -> None:
    change(folder, "feature-log", lambda rows: rows.slice(0, 50))


def with_nan(folder: Path) -> None:
    def spoil(rows: pa.Table) -> pa.Table:
        features = features_of(rows).copy()
        features[10, 4] = np.nan
        return with_features(rows, features)

    change(folder, "feature-log", spoil)


def only_buyers(folder: Path) -> None:
    rows = pq.read_table(folder / "feature-log", columns=["click_id", "clicked_at_ms"])

    def everybody(purchases: pa.Table) -> pa.Table:
        n = len(rows)
        nobody = pa.nulls(n, pa.binary(16))
        of = {
            "purchase_id": rows["click_id"],
            "purchased_at_ms": rows["clicked_at_ms"],
            "user_hash": nobody,
            "session_hash": nobody,
            "click_id": rows["click_id"],
            "value_micros": pa.array(np.ones(n, np.int64)),
            "currency": pa.array(["EUR"] * n),
            "source_partition": pa.array(np.zeros(n, np.int32)),
            "source_offset": pa.array(np.arange(n)),
        }
        return pa.table(of, schema=purchases.schema)

    change(folder, "purchases", everybody)


def damaged(folder: Path) -> None:
    (path,) = (folder / "feature-log").iterdir()
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("spoil", "error", "says"),
    [
        (without_purchases, Refused, "hold no purchase"),
        (without_late_purchases, Refused, "purchas"),
        (thinned_out, Refused, "has 4.. clicks; at least 1000"),
        (cut_short, Refused, r"has \d\.\d h of clicks old enough to be labelled; at least 2\.1 h"),
        (with_nan, Refused, "not a finite number"),
        (only_buyers, Refused, "both labels are needed"),
        (damaged, BadInput, "cannot be read as Parquet"),
    ],
)
def test_a_history_that_teaches_nothing_is_refused_and_there_is_no_release(
    spoilt: Path, tmp_path: Path, spoil: Callable[[Path], None], error: type[Exception], says: str
) -> None:
    spoil(spoilt)

    with pytest.raises(error, match=says):
        candidate_of(spoilt, tmp_path / "c")

    assert not (tmp_path / "c" / RELEASE).exists()


@pytest.mark.parametrize(
    ("spoil", "options", "exit_code", "says"),
    [
        (damaged, [], 1, "cannot be read as Parquet"),
        (without_purchases, [], 1, "hold no purchase"),
        (lambda folder: None, ["--from", "2030-01-01"], 1, "0.0 h of clicks old enough to be labelled"),
        (lambda folder: None, ["--coverage-floor", "much"], 2, "'much' is no floor of robotic coverage"),
    ],
)
def test_a_script_sees_a_sentence_and_an_exit_code(
    spoilt: Path, tmp_path: Path, spoil: Callable[[Path], None], options: list[str], exit_code: int, says: str
) -> None:
    spoil(spoilt)

    run = run_slidr(command(spoilt, tmp_path / "c", *options), os.environ, tmp_path)

    assert run.returncode == exit_code
    assert says in " ".join(run.stderr.split())
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "c").exists()


def test_purchases_are_known_up_to_the_latest_one_unless_said_otherwise(spoilt: Path, tmp_path: Path) -> None:
    """A day of purchases is missing: the clicks of that day are not measured, instead of all counting as no buyers'."""
    change(spoilt, "purchases", lambda p: p.filter(pc.less(p["purchased_at_ms"], END_MS - DAY_MS)))

    found = candidate_of(spoilt, tmp_path / "c", as_of_ms=None)

    assert found.clicks < 9000 * 6.1 / 7


def test_goals_that_cannot_be_shown_to_hold_are_refused_by_calibration(files: Path, tmp_path: Path) -> None:
    asked = msgspec.structs.replace(ASKED, goals=Goals(fpr_budget=0.0001, coverage_floor=0.9, parents=PARENTS))

    with pytest.raises(Refused, match=r"floors of robotic coverage need more than 0\.03%"):
        candidate_of(files, tmp_path / "c", asked)


def test_files_are_named_by_a_folder_a_file_or_a_pattern(files: Path) -> None:
    rows = history_inputs(files).rows

    assert parquet_files(str(files / "feature-log")) == parquet_files(rows[0]) == list(rows)
    assert parquet_files(f"{files}/*/part-*") == sorted(path for each in history_inputs(files) for path in each)
    with pytest.raises(Misconfigured, match="nowhere names no Parquet file"):
        parquet_files("nowhere")


def test_files_not_complete_yet_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "part.parquet").write_text("")
    (tmp_path / ".part-2.parquet").write_text("")

    assert parquet_files(str(tmp_path)) == [str(tmp_path / "part.parquet")]


def test_a_model_trained_elsewhere_goes_through_the_same_steps(files: Path, made: Candidate, tmp_path: Path) -> None:
    model = Path(made.folder) / "network" / "model.onnx"

    run = CliRunner().invoke(app, command(files, tmp_path / "c", "--onnx", str(model), "--json"))

    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    release = load_release(str(tmp_path / "c" / RELEASE), told["version"])
    assert told["epochs"] == 0
    assert told["calibrated"]["thresholds"] == made.calibrated.thresholds
    assert release.onnx == model.read_bytes()
    assert set(release.feature_ids) <= set(FEATURE_IDS)


def test_a_model_trained_elsewhere_is_calibrated_on_labelled_clicks(made: Candidate, tmp_path: Path) -> None:
    judged, model = Path(made.folder) / "labels" / "judged", Path(made.folder) / "network" / "model.onnx"
    options = ["--onnx", str(model), "--out", str(tmp_path / "c"), "--fpr-budget", "0.25", "--json"]

    run = CliRunner().invoke(app, ["calibrate", str(judged), *options])

    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    seen, set_on = told["held_out"]["overall"]["ivr"]["of"], told["overall"]["ivr"]["of"]
    assert seen + set_on == sum(map(len, map(pq.read_table, judged.iterdir())))


def test_a_model_that_does_not_say_what_it_reads_is_refused(made: Candidate, tmp_path: Path) -> None:
    model = onnx.load_from_string((Path(made.folder) / "network" / "model.onnx").read_bytes())
    del model.metadata_props[:]
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    judged = str(Path(made.folder) / "labels" / "judged")

    run = CliRunner().invoke(
        app, ["calibrate", judged, "--onnx", str(tmp_path / "m.onnx"), "--out", str(tmp_path / "c")]
    )

    assert isinstance(run.exception, Misconfigured)
    assert "in its metadata 'slidr.feature_ids'" in str(run.exception)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--purchases", "p"], "belong to --rows"),
        (["--rows", "r"], "Clicks alone have no labels"),
        (["--rows", "nowhere", "--purchases", "p"], "nowhere names no Parquet file"),
        (["--as-of", "soon", "--rows", "r", "--purchases", "p"], "'soon' is no time"),
        (["--onnx", "nowhere.onnx", "--rows", "r", "--purchases", "p"], "nowhere.onnx cannot be read"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(tmp_path: Path, options: list[str], says: str) -> None:
    run = CliRunner().invoke(app, ["retrain", str(tmp_path / "c"), *options])

    assert isinstance(run.exception, Misconfigured)
    assert says in str(run.exception)
