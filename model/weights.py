"""Sample weights: every hour of the week counts equally, logged in or not, human or not.

Without them a network learns when people sleep, who tends to be logged in, and that most clicks buy nothing.

    w(cell) = min(cap, mean size of the label's cells / size of the cell)     cell = hour x weekday x logged-in
    then each label is scaled to half of the total, and the mean weight is 1
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from contracts.events import Click
from contracts.scored import HOURS_OF_WEEK

HOUR_MS: Final = 3_600_000
# No click counts more than this many times the average of its label: a cell of one click proves nothing.
CAP: Final = 5.0


def cells(clicks: Sequence[Click]) -> npt.NDArray[np.int64]:
    """Cell of each click, (n,) in 0 .. 335: hour of the local week (UTC where the offset is unknown) and logged-in."""
    local_ms = np.array([click.clicked_at_ms + 60_000 * (click.utc_offset_min or 0) for click in clicks], np.int64)
    logged_in = np.array([click.logged_in for click in clicks], np.int64)
    return local_ms // HOUR_MS % HOURS_OF_WEEK * 2 + logged_in


def sample_weights(
    cell: npt.NDArray[np.int64], human: npt.NDArray[np.bool_], cap: float = CAP
) -> npt.NDArray[np.float32]:
    """Weights (n,) of clicks by their cell and label; the mean is 1 and each label has half of the total.

    Where only one label occurs, it has all of the total.
    """
    weights = np.zeros(len(cell), np.float64)
    labels = [mask for mask in (human, ~human) if mask.any()]
    for mask in labels:
        sizes = np.bincount(cell[mask], minlength=2 * HOURS_OF_WEEK)
        mean_size = mask.sum() / np.count_nonzero(sizes)
        weights[mask] = np.minimum(cap, mean_size / sizes[cell[mask]])
        weights[mask] *= len(cell) / len(labels) / weights[mask].sum()
    return weights.astype(np.float32)
