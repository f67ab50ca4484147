"""Quantiles are exact: the smallest duration that so many do not exceed."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.quantiles import Quantiles, quantiles


def test_of_a_thousand_different_durations() -> None:
    found = quantiles(np.arange(1_000, 0, -1) / 1_000)

    assert found == Quantiles(n=1_000, p50_ms=500.0, p99_ms=990.0, p999_ms=999.0, max_ms=1_000.0)


def test_nothing_measured_is_all_zeros() -> None:
    assert quantiles(np.array([])) == Quantiles(0, 0.0, 0.0, 0.0, 0.0)


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 20)), min_size=1, max_size=50))
def test_a_weight_counts_as_that_many_durations(weighted: list[tuple[int, int]]) -> None:
    each_ms = sorted(ms for ms, n in weighted for _ in range(n))

    found = quantiles(np.array([ms / 1_000 for ms, _ in weighted]), np.array([n for _, n in weighted]))

    assert found.n == len(each_ms)
    assert found.p50_ms == each_ms[math.ceil(len(each_ms) / 2) - 1]
    assert found.p99_ms == each_ms[math.ceil(len(each_ms) * 99 / 100) - 1]
    assert found.max_ms == each_ms[-1]
