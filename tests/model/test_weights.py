"""Sample weights: hours of the week, logged in or not, and labels count equally; tiny cells are capped."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import Click
from model.weights import CAP, cells, sample_weights

MONDAY_MS = 1_699_833_600_000  # 2023-11-13 00:00 UTC
HOUR_MS = 3_600_000


def click(at_ms: int, logged_in: bool = False, utc_offset_min: int | None = None) -> Click:
    return Click("c", at_ms, "s", logged_in, "10.0.0.1", "UA", "app", "a", "k", 1, "EUR", utc_offset_min=utc_offset_min)


def test_a_cell_is_the_hour_of_the_local_week_and_the_login() -> None:
    clicks = [
        click(MONDAY_MS),
        click(MONDAY_MS + HOUR_MS - 1),
        click(MONDAY_MS + 7 * 24 * HOUR_MS),
        click(MONDAY_MS - 2 * HOUR_MS, utc_offset_min=150),
        click(MONDAY_MS, logged_in=True),
        click(MONDAY_MS + HOUR_MS),
    ]

    found = cells(clicks).tolist()

    assert len(set(found[:4])) == 1
    assert len(set(found)) == 3


def test_the_hours_of_a_week_are_336_cells() -> None:
    clicks = [click(MONDAY_MS + hour * HOUR_MS, login) for hour in range(168) for login in (True, False)]

    assert sorted(cells(clicks).tolist()) == list(range(336))


def test_full_cells_of_a_label_weigh_the_same_whatever_their_size() -> None:
    cell = np.repeat([4, 9, 200], [100, 150, 50])
    human = np.zeros(300, bool)
    human[::10] = True

    weights = sample_weights(cell, human)

    for mask in (human, ~human):
        sums = [weights[mask & (cell == c)].sum() for c in (4, 9, 200)]
        assert np.allclose(sums, 50)


def test_a_click_in_a_tiny_cell_counts_at_most_the_cap() -> None:
    cell = np.repeat([0, 1], [1000, 1])

    weights = sample_weights(cell, np.ones(1001, bool))

    assert np.isclose(weights[1000] / weights[0], CAP / 0.5005)


@given(st.lists(st.tuples(st.integers(0, 335), st.booleans()), min_size=1, max_size=60))
def test_labels_weigh_the_same_and_the_mean_is_one(rows: list[tuple[int, bool]]) -> None:
    cell, human = np.array([c for c, _ in rows]), np.array([h for _, h in rows])

    weights = sample_weights(cell, human)

    assert (weights > 0).all()
    assert np.isclose(weights.mean(), 1)
    if 0 < human.sum() < len(human):
        assert np.isclose(weights[human].sum(), weights[~human].sum())
