"""`slidr calibrate` and `slidr evaluate`: files in, a whole folder out, sentences for what can't be done."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from contracts.errors import SlidrError
from contracts.scored import Scored
from model.manifest import SLICES, read_thresholds
from slidr.commands import app
from slidr.scored_files import write_scored
from tests.slidr.scored import LATER_MS, scored_clicks


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with `early.parquet` and `later.parquet`."""
    write_scored(tmp_path / "early.parquet", scored_clicks(1))
    write_scored(tmp_path / "later.parquet", scored_clicks(2, LATER_MS))
    return tmp_path


def slidr(*arguments: object) -> str:
    run = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(run.exception, SlidrError):
        raise run.exception
    assert run.exit_code == 0, run.output
    return run.stdout


def test_the_folder_has_thresholds_a_worker_reads_and_a_report(files: Path) -> None:
    out = files / "new" / "calibration"

    told = json.loads(
        slidr("calibrate", files / "early.parquet", "--held-out", files / "later.parquet", "--out", out, "--json")
    )

    thresholds = read_thresholds("v", (out / "calibration.json").read_bytes())
    assert sorted(path.name for path in out.iterdir()) == ["calibration.json", "report.html"]
    assert [path.name for path in out.parent.iterdir()] == ["calibration"]
    assert thresholds == told["thresholds"]
    assert set(thresholds) == set(SLICES)
    assert told["held_out"]["overall"]["fpr"]["value"] < 0.05
    assert "No clicks of its own" in (out / "report.html").read_text()


def test_without_later_clicks_the_second_half_of_the_time_tests(files: Path) -> None:
    told = json.loads(slidr("calibrate", files / "early.parquet", "--out", files / "c", "--fpr-budget", 0.1, "--json"))

    assert told["to_ms"] <= told["held_out"]["from_ms"]
    assert told["overall"]["ivr"]["of"] + told["held_out"]["overall"]["ivr"]["of"] == 16_000


def test_floors_of_all_slices_and_of_one_are_reached(files: Path) -> None:
    floors = ["--coverage-floor", "0.4", "--coverage-floor", "app|user=0.7", "--busy-over", "8"]

    text = slidr("calibrate", files / "early.parquet", "--out", files / "c", "--fpr-budget", 0.2, *floors)

    told = json.loads((files / "c" / "calibration.json").read_text())
    coverage = {name: choice["counted"]["coverage"] for name, choice in told["slices"].items()}
    assert coverage["app|user"]["value"] >= 0.7
    assert all(found["value"] is None or found["value"] >= 0.4 for found in coverage.values())
    assert told["goals"]["busy_over"] == 8
    assert "thresholds by slice" in text
    assert "single threshold" in text


def test_evaluation_measures_as_calibration_did(files: Path) -> None:
    told = json.loads(
        slidr(
            "calibrate", files / "early.parquet", "--held-out", files / "later.parquet", "--out", files / "c", "--json"
        )
    )
    options = ["--calibration", files / "c" / "calibration.json"]

    found = json.loads(slidr("evaluate", files / "later.parquet", *options, "--json"))

    for rate in ("ivr", "fpr", "coverage"):
        assert found["overall"][rate]["hits"] == told["held_out"]["overall"][rate]["hits"]
    assert found["recall"]["burst"]["value"] > 5 * found["recall"]["human"]["value"]
    slices, kinds = slidr("evaluate", files / "later.parquet", *options).split("\n\n")
    assert [line.split()[0] for line in slices.splitlines()] == ["slice", "all", *SLICES]
    assert kinds.split()[:4] == ["who", "clicked", "clicks", "invalid"]
    assert "people" in kinds


def with_nan(clicks: Scored) -> Scored:
    return clicks._replace(score=np.where(clicks.score > 0.9, math.nan, clicks.score))


def without_purchases(clicks: Scored) -> Scored:
    return clicks._replace(purchasing=np.zeros_like(clicks.purchasing))


def none(clicks: Scored) -> Scored:
    return clicks.rows(slice(0, 0))


@pytest.mark.parametrize("which", ["early", "later"])
@pytest.mark.parametrize(
    ("spoil", "says"),
    [(with_nan, "not a number from 0 to 1"), (without_purchases, "led to a purchase"), (none, "There are no")],
)
def test_clicks_that_show_nothing_are_refused_and_nothing_is_written(
    files: Path, which: str, spoil: Callable[[Scored], Scored], says: str
) -> None:
    write_scored(files / f"{which}.parquet", spoil(scored_clicks(1 if which == "early" else 2, LATER_MS)))
    if which == "early":
        write_scored(files / "early.parquet", spoil(scored_clicks(1)))

    with pytest.raises(SlidrError, match=says) as refusal:
        slidr("calibrate", files / "early.parquet", "--held-out", files / "later.parquet", "--out", files / "c")

    assert refusal.value.exit_code == 1
    assert sorted(path.name for path in files.iterdir()) == ["early.parquet", "later.parquet"]


def test_a_slice_in_which_nobody_buys_is_calibrated_by_its_parent(files: Path) -> None:
    write_scored(files / "early.parquet", scored_clicks(1, guests_buy=False))

    slidr("calibrate", files / "early.parquet", "--held-out", files / "later.parquet", "--out", files / "c")

    told = json.loads((files / "c" / "calibration.json").read_text())
    assert told["slices"]["app|guest"]["note"].startswith("No purchasing clicks of its own")


def test_a_folder_in_use_is_not_touched(files: Path) -> None:
    with pytest.raises(SlidrError, match="not an empty folder") as refusal:
        slidr("calibrate", files / "early.parquet", "--out", files)

    assert refusal.value.exit_code == 1
    assert sorted(path.name for path in files.iterdir()) == ["early.parquet", "later.parquet"]


def test_an_empty_folder_is_filled(files: Path) -> None:
    (files / "c").mkdir()

    slidr("calibrate", files / "early.parquet", "--out", files / "c", "--fpr-budget", 0.1)

    assert (files / "c" / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nowhere.parquet", "--out", "c"], 2, "There is no nowhere.parquet"),
        (["bad.parquet", "--out", "c"], 1, "cannot be read as Parquet"),
        (["early.parquet", "--held-out", "early.parquet", "--out", "c"], 1, "before the calibration's end"),
        (["early.parquet", "--out", "c", "--coverage-floor", "high"], 2, "'high' is no floor"),
        (["early.parquet", "--out", "c", "--coverage-floor", "phone=0.5"], 2, "slices that are not there: phone"),
        (["early.parquet", "--out", "c", "--coverage-floor", "nan"], 2, "expected a share from 0 to 1"),
        (["early.parquet", "--out", "c", "--coverage-floor", "0.99"], 1, "robotic coverage need"),
        (["early.parquet", "--out", "c", "--fpr-budget", "2"], 2, "--fpr-budget"),
        (["early.parquet", "--out", "c", "--fpr-budget", "0"], 1, "rules alone invalidate"),
        (["early.parquet", "--out", "early.parquet/c"], 2, "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_one_message_and_an_exit_code(
    files: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, says: str
) -> None:
    (files / "bad.parquet").write_text("PAR1, and then nothing")
    monkeypatch.chdir(files)

    run = CliRunner().invoke(app, ["calibrate", *arguments])

    assert isinstance(run.exception, SlidrError | SystemExit)
    assert getattr(run.exception, "exit_code", run.exit_code) == code
    assert says in f"{run.exception}{run.stderr}"
    assert not (files / "c").exists()
    assert not [path for path in files.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read: No such file"),
        ("{}", "cannot be read: Object missing required field"),
        ("not JSON", "cannot be read"),
    ],
)
def test_a_calibration_that_cannot_be_read_is_said(files: Path, content: str | None, says: str) -> None:
    if content is not None:
        (files / "c.json").write_text(content)

    with pytest.raises(SlidrError, match=says) as refusal:
        slidr("evaluate", files / "later.parquet", "--calibration", files / "c.json")

    assert refusal.value.exit_code == 2
