"""Sample weights: cells by hour of the local week and login, labels level, tiny cells capped."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.weights import CAP, CELLS, cell_weights, cells, equal_weights


def weights_of(cell: list[int], human: list[bool]) -> np.ndarray:
    """Weight of each click."""
    places = np.array(cell), np.array(human, np.intp)
    counts = np.zeros((CELLS, 2), np.int64)
    np.add.at(counts, places, 1)
    return cell_weights(counts)[places]


def test_each_hour_of_the_week_has_a_cell_for_either_login() -> None:
    hours = np.repeat(np.arange(168, dtype=np.int16), 2)

    found = cells(hours, np.tile([False, True], 168))

    assert sorted(found.tolist()) == list(range(CELLS))


def test_full_cells_of_a_label_weigh_the_same_whatever_their_size() -> None:
    cell = np.repeat([4, 9, 200], [100, 150, 50])
    human = np.zeros(300, bool)
    human[::10] = True

    weights = weights_of(cell.tolist(), human.tolist())

    for mask in (human, ~human):
        sums = [weights[mask & (cell == c)].sum() for c in (4, 9, 200)]
        assert np.allclose(sums, 50)


def test_a_click_in_a_tiny_cell_counts_at_most_the_cap() -> None:
    weights = weights_of([0] * 1000 + [1], [True] * 1001)

    assert np.isclose(weights[1000] / weights[0], CAP / 0.5005)


@given(st.lists(st.tuples(st.integers(0, CELLS - 1), st.booleans()), min_size=1, max_size=60))
def test_labels_weigh_the_same_and_the_mean_is_one(rows: list[tuple[int, bool]]) -> None:
    human = np.array([h for _, h in rows])

    weights = weights_of([c for c, _ in rows], human.tolist())

    assert (weights > 0).all()
    assert np.isclose(weights.mean(), 1)
    if 0 < human.sum() < len(human):
        assert np.isclose(weights[human].sum(), weights[~human].sum())


def test_without_clicks_nothing_has_a_weight() -> None:
    assert (cell_weights(np.zeros((CELLS, 2), np.int64)) == 0).all()


def test_equal_weights_are_one_everywhere() -> None:
    assert (equal_weights() == 1).all()
    assert equal_weights().shape == (CELLS, 2)
