"""From history to a release: the same code as live, nothing learned from what comes later, sentences for bad input."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from contracts.errors import Refused
from contracts.events import Purchase
from contracts.features import FEATURE_INDEX
from features.memory_store import MemoryFeatureStore
from features.vector import feature_matrix
from model.evaluate import false_positive_rate
from model.labels import label
from model.manifest import SLICES
from model.release import load_release
from model.scorer import scorer_for
from model.train import Schedule
from rules.ruleset import RuleSet
from slidr.commands import app
from slidr.history import DAY_MS, History, simulated_history
from slidr.training import Recipe, Report, split, train_release
from streams.judge import Judge

END_MS = 1_705_881_600_000  # 2024-01-22, a Monday
NOW_MS = 1_706_000_000_000
# Of the few purchases of a short history only a generous budget can be shown to hold.
BUDGET = 0.25
RECIPE = Recipe(RuleSet.default(), BUDGET, Schedule(max_epochs=2), NOW_MS)


@pytest.fixture(scope="module")
def history() -> History:
    return simulated_history(seed=3, end_ms=END_MS, days=7, clicks=9000, robot_share=0.2)


@pytest.fixture(scope="module")
def trained(history: History, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, str]:
    models = str(tmp_path_factory.mktemp("models"))
    return train_release(history, RECIPE, models), models


def test_a_history_has_the_features_of_its_clicks_counted_one_by_one_in_order(history: History) -> None:
    store = MemoryFeatureStore("another key than the history's")
    few = history.clicks[:300]

    one_by_one = b"".join(store.count_clicks([click]) for click in few)

    exact = [i for name, i in FEATURE_INDEX.items() if "distinct" not in name]
    assert (feature_matrix(one_by_one, few)[:, exact] == history.features[:300][:, exact]).all()
    assert history.timestamps_ms == sorted(history.timestamps_ms)
    assert history.timestamps_ms[0] >= END_MS - 7 * DAY_MS
    assert history.timestamps_ms[-1] < END_MS


def test_the_same_arguments_give_the_same_history() -> None:
    first, again = (simulated_history(seed=5, end_ms=END_MS, days=1, clicks=500, robot_share=0.3) for _ in range(2))

    assert first.clicks == again.clicks
    assert first.purchases == again.purchases
    assert (first.features == again.features).all()


def test_the_parts_follow_one_another_and_leave_nothing_out(history: History) -> None:
    parts = split(history)

    rows = [row for part in parts for row in range(part.start, part.stop)]
    assert rows == list(range(len(history.clicks)))
    span_ms = [history.timestamps_ms[part.stop - 1] - history.timestamps_ms[part.start] for part in parts]
    assert np.allclose(np.array(span_ms) / DAY_MS, [4, 1, 1, 1], atol=0.1)


def test_the_written_release_judges_as_the_report_says(history: History, trained: tuple[Report, str]) -> None:
    report, models = trained
    release = load_release(models, report.version)
    rows = split(history).test

    judge = Judge(release, scorer_for(release), RuleSet.from_json(release.rules_json))
    judged = judge.judge(history.clicks[rows], history.timestamps_ms[rows], history.features[rows])

    invalid = np.array([verdict == "invalid" for verdict in judged.verdicts.verdict])
    bought = label(history.clicks, history.purchases).purchasing[rows]
    assert report.measured.ivr.hits == invalid.sum()
    assert report.measured.fpr.hits == (invalid & bought).sum()
    assert release.thresholds == dict.fromkeys(SLICES, report.threshold)
    assert release.manifest is not None
    assert release.manifest.metrics == report.metrics()


def test_the_budget_is_shown_to_hold_where_the_threshold_was_set(history: History, trained: tuple[Report, str]) -> None:
    report, models = trained
    release = load_release(models, report.version)
    rows = split(history).calibration

    judge = Judge(release, scorer_for(release), RuleSet.from_json(release.rules_json))
    judged = judge.judge(history.clicks[rows], history.timestamps_ms[rows], history.features[rows])

    bought = label(history.clicks, history.purchases).purchasing[rows]
    invalid = np.array([verdict == "invalid" for verdict in judged.verdicts.verdict])
    assert invalid[bought].any()
    assert false_positive_rate(invalid, bought).high <= BUDGET


def test_robots_are_found_more_often_than_people(trained: tuple[Report, str]) -> None:
    measured = trained[0].measured

    assert measured.robot_auc > 0.8
    assert measured.invalid_by_kind["burst"] > 3 * measured.invalid_by_kind["human"]


def test_nothing_is_learned_from_what_comes_after_validation(
    history: History, trained: tuple[Report, str], tmp_path: Path
) -> None:
    report, models = trained
    parts = split(history)
    known_ms = history.timestamps_ms[parts.calibration.start]
    features = history.features.copy()
    features[parts.calibration.start :] *= 3
    fewer = [p for i, p in enumerate(history.purchases) if p.purchased_at_ms < known_ms or i % 2]

    other = train_release(history._replace(features=features, purchases=fewer), RECIPE, str(tmp_path))

    assert len(fewer) < len(history.purchases)
    assert load_release(str(tmp_path), other.version).onnx == load_release(models, report.version).onnx


def without_purchases(history: History) -> History:
    return history._replace(purchases=[])


def without_late_purchases(history: History) -> History:
    known_ms = history.timestamps_ms[split(history).test.start]
    return history._replace(purchases=[p for p in history.purchases if p.purchased_at_ms < known_ms - DAY_MS / 2])


def cut_short(history: History) -> History:
    return history._replace(clicks=history.clicks[:500], timestamps_ms=history.timestamps_ms[:500])


def with_nan(history: History) -> History:
    features = history.features.copy()
    features[10, 4] = np.nan
    return history._replace(features=features)


def only_buyers(history: History) -> History:
    everybody = [
        Purchase(f"p{i}", click.clicked_at_ms, 1, "EUR", click_id=click.click_id)
        for i, click in enumerate(history.clicks)
    ]
    return history._replace(purchases=everybody)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (without_purchases, "led to a purchase"),
        (without_late_purchases, "led to a purchase"),
        (cut_short, "has 500 clicks; at least 1000"),
        (with_nan, "not a finite number"),
        (only_buyers, "both labels are needed"),
    ],
)
def test_a_history_that_teaches_nothing_is_refused_and_nothing_is_written(
    history: History, tmp_path: Path, spoil: Callable[[History], History], says: str
) -> None:
    with pytest.raises(Refused, match=says):
        train_release(spoil(history), RECIPE, str(tmp_path / "models"))

    assert not (tmp_path / "models").exists()


def test_a_budget_that_the_rules_alone_exceed_is_refused(history: History, tmp_path: Path) -> None:
    everybody = RuleSet.from_json(b'{"declared_robot": {"substrings": ["AppleWebKit"]}}')

    with pytest.raises(Refused, match="rules alone invalidate"):
        train_release(history, RECIPE._replace(rules=everybody), str(tmp_path / "models"))


def test_a_budget_that_so_few_purchases_cannot_show_to_hold_is_refused(history: History, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"purchasing clicks are too few to show .* 1\.00% holds"):
        train_release(history, RECIPE._replace(fpr_budget=0.01), str(tmp_path / "models"))


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
