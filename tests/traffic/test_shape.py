"""Load shapes: a file's rows, stretched over the simulation, at the mean rate asked for."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import Misconfigured
from contracts.events import Click
from tests.builders import START_MS
from traffic.columns import Window
from traffic.load import by_counts
from traffic.shape import load_shape
from traffic.simulate import simulate

HEADER = "period,count\n"
WORLD_CUP = Path("/work/shared/data/worldcup98_requests_per_minute.csv")


def shape_file(folder: Path, text: str) -> Path:
    (folder / "shape.csv").write_text(text)
    return folder / "shape.csv"


def test_each_row_holds_for_its_part_of_the_duration_and_the_mean_rate_stays() -> None:
    # Steady robots would blur it.
    traffic = simulate(1, START_MS, 4_000_000, 10, robot_share=0, history_days=0, shape=(1, 0, 6, 1))

    by_quarter = Counter(
        (item.event.clicked_at_ms - START_MS) // 1_000_000 for item in traffic if isinstance(item.event, Click)
    )

    assert sum(by_quarter.values()) == pytest.approx(40_000, rel=0.05)
    # Visits that start in one quarter may end in the next one.
    assert by_quarter[2] > 4 * by_quarter[0]
    assert by_quarter[1] < 0.2 * by_quarter[0]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50).filter(any), st.integers(1000, 10**9))
@settings(max_examples=100)
def test_expected_visits_are_the_counts_share_by_share(counts: list[float], duration_ms: int) -> None:
    load = by_counts(np.array(counts), Window(START_MS, START_MS + duration_ms), before_ms=1000)

    edges = np.linspace(START_MS, START_MS + duration_ms, len(counts) + 1)
    found = np.diff(np.interp(edges, load.at_ms, load.done_ms))
    assert found == pytest.approx(duration_ms * np.array(counts) / sum(counts), abs=1e-6 * duration_ms)


def test_a_file_is_read_by_its_last_column_whatever_the_first_says(tmp_path: Path) -> None:
    path = shape_file(tmp_path, HEADER + "1998-06-25 00:00:00,20\nlater,0\n\n,1.5\n")

    assert load_shape(path) == [20, 0, 1.5]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEADER + "a,1\nb,many\n", "shape.csv, line 3: the last column is 'many'; expected a number of requests"),
        (HEADER + "a,1\n\nb,-1\n", "line 4: the last column is '-1'; expected 0 or more"),
        (HEADER + "a,nan\n", "line 2: the last column is 'nan'; expected 0 or more"),
        (HEADER, "no row with a count above 0"),
        ("", "no row with a count above 0"),
        (HEADER + "a,0\n", "no row with a count above 0"),
        (HEADER + "a,1e300\n", "line 2: the last column is '1e300'; expected 0 or more"),
        (HEADER + "a,1\n" + "b" * 200_000 + ",1\n", "line 3: not readable as CSV: field larger"),
    ],
)
def test_a_bad_row_is_told_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        load_shape(shape_file(tmp_path, text))


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\xff")

    for name in ("nowhere.csv", "binary"):
        with pytest.raises(Misconfigured, match="cannot be read"):
            load_shape(tmp_path / name)


@pytest.mark.skipif(not WORLD_CUP.exists(), reason="the public trace is not on this machine")
def test_the_world_cup_makes_a_flash_crowd() -> None:
    shape = load_shape(WORLD_CUP)

    traffic = simulate(1, START_MS, 14 * 86_400_000, 0.5, history_days=0, shape=shape)

    times = np.array([item.at_ms for item in traffic if isinstance(item.event, Click)])
    by_hour = np.bincount((times - START_MS) // 3_600_000, minlength=14 * 24)
    real = np.array(shape).reshape(14 * 24, 60).mean(axis=1)
    assert np.corrcoef(by_hour, real)[0, 1] > 0.97
