"""The slowest clicks are found and their time is told apart, segment by segment."""

import numpy as np

from bench.tail import tail


def row(records: int, waiting_ms: float, store_ms: float, store_cpu_ms: float = 0.0) -> list[float]:
    """A piece polled at 10 s, asked 1 ms after it was taken, decided 2 ms after its answer."""
    wall_s = 10 + np.cumsum([0.0, waiting_ms, 1.0, store_ms, 2.0]) / 1_000
    cpu_s = 5 + np.cumsum([0.0, 0.5, store_cpu_ms, 1.5]) / 1_000
    return [records, *wall_s, *cpu_s]


def test_the_slowest_clicks_show_the_segment_that_made_them_slow() -> None:
    rows = np.array([row(1, 0.1, 0.2)] * 998 + [row(2, 0.1, 9.0, store_cpu_ms=4.0)])

    found = tail(rows, slowest=0.002)

    assert found.clicks == 2
    assert found.slowest_ms == {"waiting": 0.1, "asking": 1.0, "store": 9.0, "deciding": 2.0}
    assert found.slowest_cpu_ms == {"asking": 0.5, "store": 4.0, "deciding": 1.5}


def test_means_over_all_count_each_click_of_a_piece() -> None:
    rows = np.array([row(3, 1.0, 0.0), row(1, 5.0, 4.0)])

    found = tail(rows)

    assert found.all_ms == {"waiting": 2.0, "asking": 1.0, "store": 1.0, "deciding": 2.0}


def test_a_piece_that_reaches_over_the_share_is_counted_whole() -> None:
    rows = np.array([row(50, 9.0, 0.0), row(50, 1.0, 0.0)])

    found = tail(rows, slowest=0.1)

    assert (found.clicks, found.slowest_ms["waiting"]) == (50, 9.0)
