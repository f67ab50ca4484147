"""`slidr simulate` into Parquet files, and what it refuses with a sentence."""

import json
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from typer.testing import CliRunner

from contracts.errors import Misconfigured, Refused
from slidr.commands import app

HOUR = ["--clicks-per-s", "0.5", "--duration-s", "3600", "--history-days", "2"]


def simulate(*options: str) -> str:
    """Standard output."""
    result = CliRunner().invoke(app, ["simulate", *HOUR, *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_an_hour_with_two_attacks_is_in_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "hour"
    attacks = ["--attack", "burst@10m+5m:2", "--attack", "competitor@0s+1h:0.5"]

    summary = json.loads(simulate("--parquet", str(folder), "--start", "2024-06-01T12:00", *attacks, "--json"))

    clicks, truth = (ds.dataset(folder / name).to_table() for name in ("clicks", "truth"))
    assert summary["clicks"] == len(clicks) == len(truth) > 3000
    assert clicks["clicked_at_ms"][0].as_py() >= 1_717_243_200_000  # 2024-06-01T12:00:00Z
    kinds = truth["kind"].to_pylist()
    assert kinds.count("burst") > 300
    assert kinds.count("competitor") > 1000


def test_the_same_command_gives_the_same_bytes_on_any_day(tmp_path: Path) -> None:
    for name in ("first", "second"):
        simulate("--parquet", str(tmp_path / name), "--seed", "4")

    first, second = (
        [path.read_bytes() for path in sorted((tmp_path / name).rglob("*.parquet"))] for name in ("first", "second")
    )
    assert len(first) == 3
    assert first == second


def test_people_follow_the_shape_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "shape.csv").write_text("period,count\nfirst half,1\nsecond half,9\n")

    simulate("--parquet", str(tmp_path / "out"), "--shape", str(tmp_path / "shape.csv"), "--robot-share", "0")

    times = ds.dataset(tmp_path / "out" / "clicks").to_table()["clicked_at_ms"].to_numpy()
    second_half = times >= 1_704_067_200_000 + 1_800_000
    assert second_half.mean() == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--attack", "burst"], r"'burst' is no attack; expected kind@start\+duration:clicks_per_s"),
        (["--attack", "ddos@0s+1s:1"], "no 'ddos' robots; an attack is by burst"),
        (["--attack", "burst@50m+20m:1"], "the simulation lasts 3600 s"),
        (["--shape", "nowhere.csv"], "nowhere.csv cannot be read"),
        (["--start", "2024-01-01"], "--start is for --parquet"),
        (["--parquet", "out", "--truth", "truth.jsonl"], "written to out/truth; leave --truth out"),
        (["--parquet", "out", "--features", "rows"], "choose one"),
        (["--features", "out", "--truth", "truth.jsonl"], "With --features the truth is written to out/truth"),
        (["--parquet", "out", "--start", "soon"], "'soon' is no time"),
    ],
)
def test_what_cannot_be_simulated_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(Misconfigured, match=says):
        simulate(*options)

    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")

    with pytest.raises(Refused, match="nothing is overwritten"):
        simulate("--parquet", str(tmp_path))
