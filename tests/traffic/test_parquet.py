"""Parquet files hold what the events say, column for column, and are whole or not there."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import Misconfigured, Refused
from contracts.events import Click, Purchase
from tests.builders import START_MS
from traffic.attacks import Attack
from traffic.parquet import write_parquet
from traffic.scenario import Scenario
from traffic.simulate import Truth, events

DAY_MS = 86_400_000
ATTACK = Attack("session_hopper", START_MS + DAY_MS // 4, START_MS + DAY_MS // 2, clicks_per_s=0.02)
DAY = Scenario(seed=7, start_ms=START_MS, duration_ms=DAY_MS, clicks_per_s=0.1, attacks=[ATTACK])

scenarios = st.builds(
    lambda seed, hours, robot_share, history_days: Scenario(
        seed, START_MS, hours * 3_600_000, 0.1, robot_share, history_days=history_days
    ),
    st.integers(0, 2**40),
    st.integers(1, 30),
    st.floats(0, 1),
    st.sampled_from([0, 3, 30]),
)


def rows(folder: Path, name: str) -> list[dict[str, object]]:
    """In the order of the files and their rows."""
    found: list[dict[str, object]] = ds.dataset(folder / name).to_table().to_pylist()
    return found


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def expect_the_same(scenario: Scenario, folder: Path) -> None:
    simulated = list(events(scenario))
    clicks = msgspec.convert(rows(folder, "clicks"), list[Click])
    purchases = msgspec.convert(rows(folder, "purchases"), list[Purchase])
    truths = msgspec.convert(rows(folder, "truth"), list[Truth])
    assert clicks == [item.event for item in simulated if isinstance(item.event, Click)]
    assert purchases == [item.event for item in simulated if isinstance(item.event, Purchase)]
    assert truths == [item.truth for item in simulated if item.truth]


def test_the_rows_of_a_day_with_an_attack_are_its_events(tmp_path: Path) -> None:
    summary = write_parquet(DAY, tmp_path / "day")

    expect_the_same(DAY, tmp_path / "day")
    assert summary.clicks == len(rows(tmp_path / "day", "clicks")) > 5000
    assert summary.purchases == len(rows(tmp_path / "day", "purchases")) > 500
    assert summary.robot_clicks == sum(bool(row["robot"]) for row in rows(tmp_path / "day", "truth")) > 1000


@given(scenario=scenarios)
@settings(max_examples=25, deadline=None)
def test_the_rows_of_any_scenario_are_its_events(tmp_path_factory: pytest.TempPathFactory, scenario: Scenario) -> None:
    folder = tmp_path_factory.mktemp("any")

    write_parquet(scenario, folder)

    expect_the_same(scenario, folder)


def test_columns_are_the_fields_of_the_events_and_nothing_more(tmp_path: Path) -> None:
    write_parquet(DAY, tmp_path)

    for name, kind in (("clicks", Click), ("purchases", Purchase), ("truth", Truth)):
        schema = pq.read_schema(tmp_path / name / "part-00000.parquet")
        assert tuple(schema.names) == kind.__struct_fields__
        assert {str(column.type) for column in schema} <= {"string", "int64", "int32", "bool"}


def test_the_same_scenario_makes_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    write_parquet(DAY, tmp_path / "first")
    write_parquet(DAY, tmp_path / "second")
    write_parquet(msgspec.structs.replace(DAY, seed=8), tmp_path / "other")

    assert content(tmp_path / "first") == content(tmp_path / "second")
    assert content(tmp_path / "first")["clicks/part-00000.parquet"] not in content(tmp_path / "other").values()


def test_files_are_cut_after_so_many_rows_and_lose_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traffic.parquet._ROWS_PER_GROUP", 1000)
    monkeypatch.setattr("traffic.parquet._ROWS_PER_FILE", 3000)

    write_parquet(DAY, tmp_path)

    files = sorted(path.name for path in (tmp_path / "clicks").iterdir())
    assert files == [f"part-{number:05}.parquet" for number in range(len(files))]
    assert len(files) > 2
    expect_the_same(DAY, tmp_path)


def test_what_goes_wrong_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "out"

    def stop(clicks: int) -> None:
        assert [path.name for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")] == []
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_parquet(DAY, folder, stop)

    assert content(folder) == {}
    write_parquet(DAY, folder)


def used(folder: Path) -> Path:
    (folder / "notes.txt").write_text("mine")
    return folder


def a_file(folder: Path) -> Path:
    (folder / "week").write_text("mine")
    return folder / "week"


@pytest.mark.parametrize("make", [used, a_file])
def test_what_is_there_is_not_overwritten(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    folder = make(tmp_path)
    before = content(tmp_path)

    with pytest.raises(Refused, match="is not an empty folder, and nothing is overwritten"):
        write_parquet(DAY, folder)

    assert content(tmp_path) == before


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(Misconfigured, match=r"cannot be written to .*: Not a directory"):
        write_parquet(DAY, tmp_path / "file" / "folder")
