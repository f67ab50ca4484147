"""Distinct counting against brute force, and how well it estimates."""

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.sketches import QUANTUM_MS, SLOTS, DistinctSketch, estimate
from tests.features.oracles import occupied_slots, times_ms

hits = st.lists(st.tuples(st.integers(0, 9), times_ms), min_size=1, max_size=40)


def sketch_of(hit: list[tuple[int, int]]) -> DistinctSketch:
    sketch, newest = DistinctSketch(), 0
    for slot, t_ms in hit:
        quantum = t_ms // QUANTUM_MS
        if quantum > newest:
            newest = quantum
            sketch.advance(newest)
        sketch.add(slot, quantum, newest)
    return sketch


@given(hits)
def test_occupied_slots_are_those_hit_within_the_windows(hit: list[tuple[int, int]]) -> None:
    now_ms = max(t_ms for _, t_ms in hit)

    occupied = sketch_of(hit).occupied(now_ms // QUANTUM_MS)

    assert list(occupied) == occupied_slots(hit, now_ms)


@given(hits, st.randoms(use_true_random=False))
def test_the_order_of_the_hits_leaves_no_trace(hit: list[tuple[int, int]], rng: random.Random) -> None:
    shuffled = rng.sample(hit, len(hit))

    assert sketch_of(shuffled).last_hit == sketch_of(hit).last_hit


@pytest.mark.parametrize(("elements", "deviation"), [(10, 0.08), (200, 0.10), (400, 0.18)])
def test_the_estimate_is_close(elements: int, deviation: float) -> None:
    rng = random.Random(elements)

    estimates = [estimate(len({rng.randrange(SLOTS) for _ in range(elements)})) for _ in range(400)]

    assert statistics.mean(estimates) == pytest.approx(elements, rel=0.03)
    assert statistics.stdev(estimates) / elements < deviation


def test_estimates_grow_with_the_occupied_slots_up_to_a_full_sketch() -> None:
    estimates = [estimate(occupied) for occupied in range(SLOTS + 1)]

    assert estimates[0] == 0.0
    assert estimates == sorted(estimates)
    assert estimates[-1] < 1_000
