"""From history to a release: the same code as live, nothing learned from what comes later, sentences for bad input."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from contracts.errors import BadInput, Misconfigured, Refused
from contracts.events import Click
from model.evaluate import false_positive_rate
from model.inputs import Inputs
from model.labels import Terms, write_labels
from model.manifest import SLICES
from model.release import load_release
from model.scorer import scorer_for
from model.train import Schedule
from rules.ruleset import RuleSet
from slidr.commands import app
from slidr.history import DAY_MS, SIMULATED_MATURITY_MS, history_inputs, history_scenario, write_history
from slidr.history_parts import Parts, split
from slidr.input_files import parquet_files
from slidr.training import History, Recipe, Report, Watcher, train_on_simulation, train_release
from streams.judge import Judge, Judged
from traffic.simulate import events

END_MS = 1_705_881_600_000  # 2024-01-22, a Monday
NOW_MS = 1_706_000_000_000
HOUR_MS = 3_600_000
# Of the few purchases of a short history only a generous budget can be shown to hold.
BUDGET = 0.25
RECIPE = Recipe(RuleSet.default(), BUDGET, Schedule(max_epochs=2), NOW_MS, SIMULATED_MATURITY_MS)
SCENARIO = history_scenario(seed=3, end_ms=END_MS, days=7, clicks=9000, robot_share=0.2)
AS_OF_MS = END_MS + SIMULATED_MATURITY_MS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("history") / "week"
    write_history(SCENARIO, RuleSet.default(), folder)
    return folder


@pytest.fixture
def spoilt(folder: Path, tmp_path: Path) -> Path:
    """A copy of the history that a test may spoil."""
    return shutil.copytree(folder, tmp_path / "spoilt")


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, str]:
    models = str(tmp_path_factory.mktemp("models"))
    return train_release(History(history_inputs(folder), AS_OF_MS), RECIPE, models), models


def parts_of(folder: Path) -> Parts:
    times = pq.read_table(folder / "feature-log", columns=["clicked_at_ms"])["clicked_at_ms"].to_numpy()
    return split(int(times.min()), int(times.max()) + 1, SIMULATED_MATURITY_MS)


def change(folder: Path, name: str, how: Callable[[pa.Table], pa.Table]) -> None:
    """Rewrite the history's only file of that name."""
    (path,) = (folder / name).iterdir()
    pq.write_table(how(pq.read_table(path)), path)


def features_of(rows: pa.Table) -> np.ndarray:
    return rows["features"].combine_chunks().flatten().to_numpy().reshape(len(rows), -1)


def with_features(rows: pa.Table, features: np.ndarray) -> pa.Table:
    column = pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), features.shape[1])
    return rows.set_column(rows.schema.get_field_index("features"), "features", column)


def judged_again(folder: Path, models: str, version: str, from_ms: int, until_ms: int) -> tuple[Judged, np.ndarray]:
    """What a worker with the release says of the clicks of a part, and which of them led to a purchase."""
    release = load_release(models, version)
    clicks = [event for _, event, _ in events(SCENARIO) if isinstance(event, Click)]
    rows = pq.read_table(folder / "feature-log")
    chosen = [i for i, click in enumerate(clicks) if from_ms <= click.clicked_at_ms < until_ms]
    part = [clicks[i] for i in chosen]
    judge = Judge(release, scorer_for(release), RuleSet.from_json(release.rules_json))
    judged = judge.judge(part, [click.clicked_at_ms for click in part], features_of(rows)[chosen])
    terms = Terms(from_ms, until_ms, AS_OF_MS, SIMULATED_MATURITY_MS)
    write_labels(history_inputs(folder), terms, Path(models).parent / f"labels-{from_ms}")
    return judged, pq.read_table(Path(models).parent / f"labels-{from_ms}")["purchasing"].to_numpy()


def test_the_parts_follow_one_another_and_what_is_learned_was_mature_by_then() -> None:
    parts = split(0, 7 * DAY_MS, 7 * HOUR_MS)

    lengths = np.diff(parts) / (DAY_MS - HOUR_MS)
    assert np.allclose(lengths * 23, [4 * 23, 23, 7, 23, 23])
    assert parts.calibration_ms - parts.learned_ms == 7 * HOUR_MS
    assert (parts.training_ms, parts.end_ms) == (0, 7 * DAY_MS)


def test_the_written_release_judges_as_the_report_says(folder: Path, trained: tuple[Report, str]) -> None:
    report, models = trained
    parts = parts_of(folder)

    judged, bought = judged_again(folder, models, report.version, parts.test_ms, parts.end_ms)

    invalid = np.array([verdict == "invalid" for verdict in judged.verdicts.verdict])
    release = load_release(models, report.version)
    assert report.measured.ivr.hits == invalid.sum()
    assert report.measured.ivr.of == len(invalid)
    assert report.measured.fpr.hits == (invalid & bought).sum()
    assert release.thresholds == dict.fromkeys(SLICES, report.threshold)
    assert release.manifest is not None
    assert release.manifest.metrics == report.metrics()


def test_the_budget_is_shown_to_hold_where_the_threshold_was_set(folder: Path, trained: tuple[Report, str]) -> None:
    report, models = trained
    parts = parts_of(folder)

    judged, bought = judged_again(folder, models, report.version, parts.calibration_ms, parts.test_ms)

    invalid = np.array([verdict == "invalid" for verdict in judged.verdicts.verdict])
    assert invalid[bought].any()
    assert false_positive_rate(invalid, bought).high <= BUDGET


def test_robots_are_found_more_often_than_people(trained: tuple[Report, str]) -> None:
    measured = trained[0].measured

    assert measured.robot_auc > 0.8
    assert measured.invalid_by_kind["burst"] > 3 * measured.invalid_by_kind["human"]


def test_training_on_a_simulation_is_training_on_its_files(trained: tuple[Report, str], tmp_path: Path) -> None:
    report = train_on_simulation(SCENARIO, RECIPE, str(tmp_path))

    assert report == trained[0]


def test_nothing_is_learned_from_what_comes_after_validation(
    spoilt: Path, trained: tuple[Report, str], tmp_path: Path
) -> None:
    """Other features of later clicks, and only every other later purchase."""
    report, models = trained
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
    other = train_release(History(history_inputs(spoilt), AS_OF_MS), RECIPE, str(tmp_path / "models"))

    assert other.measured != report.measured
    assert load_release(str(tmp_path / "models"), other.version).onnx == load_release(models, report.version).onnx


def test_the_baselines_are_measured_on_the_same_clicks_and_counting_fast_clicks_is_not_enough(
    folder: Path, tmp_path: Path
) -> None:
    recipe = RECIPE._replace(schedule=Schedule(max_epochs=6), with_baselines=True)

    report = train_release(History(history_inputs(folder), AS_OF_MS), recipe, str(tmp_path))

    assert set(report.baselines) == {"velocity", "logistic", "without-weights", "without-entities"}
    assert all(each.fpr.of == report.measured.fpr.of for each in report.baselines.values())
    assert report.measured.robot_auc > report.baselines["velocity"].robot_auc


def test_a_watcher_hears_of_days_and_clicks(folder: Path, tmp_path: Path) -> None:
    heard: dict[str, tuple[int, int]] = {}

    class Told(Watcher):
        def labelled(self, done: int, days: int) -> None:
            heard["days"] = (done, days)

        def rows(self, done: int, at_most: int) -> None:
            heard["rows"] = (done, at_most)

    watcher = Told()
    train_release(History(history_inputs(folder), AS_OF_MS), RECIPE, str(tmp_path), watcher)

    assert heard["days"] == (2, 2) or heard["days"] == (3, 3)
    assert heard["rows"][0] == heard["rows"][1] > 8000
    assert watcher.epochs == 2


def without_purchases(folder: Path) -> None:
    change(folder, "purchases", lambda purchases: purchases.slice(0, 0))


def without_late_purchases(folder: Path) -> None:
    known_ms = parts_of(folder).test_ms - DAY_MS // 2
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
        (without_purchases, Refused, "No purchase before"),
        (without_late_purchases, Refused, "led to a purchase"),
        (thinned_out, Refused, "has 4.. clicks; at least 1000"),
        (cut_short, Refused, "h of clicks old enough to be labelled"),
        (with_nan, Refused, "not a finite number"),
        (only_buyers, Refused, "both labels are needed"),
        (damaged, BadInput, "cannot be read as Parquet"),
    ],
)
def test_a_history_that_teaches_nothing_is_refused_and_nothing_is_written(
    spoilt: Path, tmp_path: Path, spoil: Callable[[Path], None], error: type[Exception], says: str
) -> None:
    spoil(spoilt)

    with pytest.raises(error, match=says):
        train_release(History(history_inputs(spoilt), AS_OF_MS), RECIPE, str(tmp_path / "models"))

    assert not (tmp_path / "models").exists()


def test_without_a_purchase_it_cannot_be_said_until_when_they_are_known(spoilt: Path, tmp_path: Path) -> None:
    without_purchases(spoilt)

    with pytest.raises(Refused, match="hold no purchase"):
        train_release(History(history_inputs(spoilt)), RECIPE, str(tmp_path))


def test_purchases_are_known_up_to_the_latest_one_unless_said_otherwise(spoilt: Path, tmp_path: Path) -> None:
    """A day of purchases is missing: the clicks of that day are not measured, instead of all counting as no buyers'."""
    change(spoilt, "purchases", lambda p: p.filter(pc.less(p["purchased_at_ms"], END_MS - DAY_MS)))

    report = train_release(History(history_inputs(spoilt)), RECIPE, str(tmp_path))

    assert report.clicks < 9000 * 6.1 / 7


def test_a_budget_that_the_rules_alone_exceed_is_refused(tmp_path: Path) -> None:
    everybody = RuleSet.from_json(b'{"declared_robot": {"substrings": ["AppleWebKit"]}}')

    with pytest.raises(Refused, match="rules alone invalidate"):
        train_on_simulation(SCENARIO, RECIPE._replace(rules=everybody), str(tmp_path / "models"))


def test_a_budget_that_so_few_purchases_cannot_show_to_hold_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"purchasing clicks are too few to show .* 1\.00% holds"):
        train_release(History(history_inputs(folder), AS_OF_MS), RECIPE._replace(fpr_budget=0.01), str(tmp_path / "m"))


def test_files_are_named_by_a_folder_a_file_or_a_pattern(folder: Path) -> None:
    rows = history_inputs(folder).rows

    assert parquet_files(str(folder / "feature-log")) == parquet_files(rows[0]) == list(rows)
    assert parquet_files(f"{folder}/*/part-*") == sorted(path for files in history_inputs(folder) for path in files)
    with pytest.raises(Misconfigured, match="nowhere names no Parquet file"):
        parquet_files("nowhere")


def test_files_not_complete_yet_are_passed_over(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "part.parquet").write_text("")
    (tmp_path / ".part-2.parquet").write_text("")

    assert parquet_files(str(tmp_path)) == [str(tmp_path / "part.parquet")]


def test_the_command_trains_on_files_and_prints_one_object(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIDR_MODELS_URI", str(tmp_path / "models"))
    inputs: Inputs = history_inputs(folder)
    options = ["--rows", str(folder / "feature-log"), "--purchases", inputs.purchases[0], "--maturity-h", "2"]

    run = CliRunner().invoke(app, ["train", *options, "--fpr-budget", "0.25", "--as-of", "2024-01-22", "--json"])

    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    assert told["measured"]["invalid_by_kind"] == {}
    manifest = load_release(told["models_uri"], told["version"]).manifest
    assert manifest is not None
    assert "robot_auc" not in manifest.metrics
    assert manifest.training.to_ms < END_MS - 2 * DAY_MS


def test_the_command_writes_a_release_and_prints_one_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIDR_MODELS_URI", str(tmp_path / "models"))
    rules = tmp_path / "rules.json"
    rules.write_text('{"declared_robot": {"substrings": ["ExampleBot"]}}')
    options = ["--days", "2", "--clicks", "6000", "--fpr-budget", "0.2", "--rules", str(rules), "--json"]

    run = CliRunner().invoke(app, ["train", *options])

    assert run.exit_code == 0, run.output
    told = json.loads(run.stdout)
    assert b"ExampleBot" in load_release(told["models_uri"], told["version"]).rules_json
    assert 0 < told["measured"]["ivr"]["value"] < 1


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--clicks", "300"], 2, "--clicks"),
        (["--days", "0"], 2, "--days"),
        (["--rows", "nowhere", "--days", "3"], 2, "--days say how to simulate a history"),
        (["--rows", "nowhere"], 2, "name the purchases files"),
        (["--rows", "nowhere", "--purchases", "nowhere"], 2, "names no Parquet file"),
        (["--as-of", "2024-01-01"], 2, "belong to --rows"),
        (["--rules", "nowhere.json"], 2, "nowhere.json cannot be read"),
        (["--rules", __file__], 2, "rule lists cannot be read at $"),
    ],
)
def test_what_cannot_be_trained_is_one_message_and_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], code: int, says: str
) -> None:
    monkeypatch.setenv("SLIDR_MODELS_URI", str(tmp_path / "models"))

    run = subprocess.run(
        [sys.executable, "-m", "slidr", "train", *options], capture_output=True, text=True, check=False
    )

    assert run.returncode == code
    assert says in run.stderr
    assert "Traceback" not in run.stderr
