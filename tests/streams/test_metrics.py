"""Latency histograms and the list of metrics."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from streams.metrics import METRICS, LatencyHistogram, Metrics, Name


def test_every_name_is_declared_and_exported() -> None:
    exported = generate_latest(Metrics().registry).decode()

    assert set(METRICS) == set(Name)
    assert all(name.value in exported for name in Name)


@given(st.lists(st.tuples(st.floats(1e-4, 50), st.integers(1, 9)), min_size=1), st.sampled_from([0.5, 0.99, 0.999]))
def test_a_quantile_is_off_by_less_than_a_bucket(values: list[tuple[float, int]], q: float) -> None:
    histogram = LatencyHistogram(Name.IN_WORKER, CollectorRegistry())
    for value_s, n in values:
        histogram.observe(value_s, n)

    flat = sorted(value_s for value_s, n in values for _ in range(n))
    exact = flat[max(0, math.ceil(q * len(flat)) - 1)]
    assert exact <= histogram.quantile_s(q) * (1 + 1e-9)
    assert histogram.quantile_s(q) <= exact * 1.2 * (1 + 1e-9)


def test_no_value_no_quantile() -> None:
    assert LatencyHistogram(Name.IN_WORKER, CollectorRegistry()).quantile_s(0.5) == pytest.approx(0)
