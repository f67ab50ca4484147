"""Sample weights: every hour of the week counts equally, logged in or not, human or not.

Without them a network learns when people sleep, who tends to be logged in, and that most clicks buy nothing.

    w(cell) = min(cap, mean size of the label's cells / size of the cell)     cell = hour x weekday x logged-in
    then each label is scaled to half of the total, and the mean weight is 1
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contracts.scored import HOURS_OF_WEEK

CELLS: Final = 2 * HOURS_OF_WEEK
# No click counts more than this many times the average of its label: a cell of one click proves nothing.
CAP: Final = 5.0


def cells(hour_of_week: npt.NDArray[Any], logged_in: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Cell of each click, (n,) in 0 .. CELLS - 1: hour of the local week and logged-in."""
    found: npt.NDArray[np.int64] = 2 * hour_of_week.astype(np.int64) + logged_in
    return found


def cell_weights(counts: npt.NDArray[np.int64], cap: float = CAP) -> npt.NDArray[np.float32]:
    """Weight of a click by cell and label, (CELLS, 2), from the number of clicks of each (CELLS, 2).

    Over all clicks the mean is 1 and each label has half of the total; where only one label occurs, it has all of it.
    An empty cell has weight 0.
    """
    sizes = counts.astype(np.float64)
    clicks, cells_filled = sizes.sum(axis=0), np.count_nonzero(counts, axis=0)
    mean_size = clicks / np.maximum(cells_filled, 1)
    weights = np.where(counts > 0, np.minimum(cap, mean_size / np.maximum(sizes, 1)), 0)
    total = (weights * sizes).sum(axis=0)
    labels = np.count_nonzero(clicks)
    share = np.divide(clicks.sum() / max(labels, 1), total, out=np.zeros(2), where=total > 0)
    answer: npt.NDArray[np.float32] = (weights * share).astype(np.float32)
    return answer


def equal_weights() -> npt.NDArray[np.float32]:
    """Every click counts 1, (CELLS, 2): what the weights above are compared with."""
    return np.ones((CELLS, 2), np.float32)


def hour_weights(counts: npt.NDArray[np.int64], weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Mean weight of a click by hour of the week, (168,): 0 where there is none; both arguments (CELLS, 2)."""
    clicks = counts.reshape(HOURS_OF_WEEK, -1)
    total = (clicks * weights.reshape(HOURS_OF_WEEK, -1)).sum(axis=1)
    found: npt.NDArray[np.float64] = total / np.maximum(clicks.sum(axis=1), 1)
    return found
