"""How the features of human clicks are distributed on each day, a row group at a time."""

from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from contracts.features import FEATURE_IDS
from contracts.ports import FloatMatrix
from contracts.summaries import BIN_EDGES, BINS, DAY_MS, FeatureDay
from model.reading import Labelled, matrix_of

_WIDE: Final = len(FEATURE_IDS)
_EDGES: Final = np.array(BIN_EDGES, np.float32)
_FIRST_BINS: Final = BINS * np.arange(_WIDE)


class FeatureCounts(NamedTuple):
    """By day and feature: human clicks in each bin, (D, F, BINS), and clicks without a value, (D, F)."""

    days: range
    human: npt.NDArray[np.int64]
    missing: npt.NDArray[np.int64]

    @classmethod
    def empty(cls, days: range) -> Self:
        """Nothing counted yet."""
        return cls(days, np.zeros((len(days), _WIDE, BINS), np.int64), np.zeros((len(days), _WIDE), np.int64))

    def of(self, day: int) -> dict[str, FeatureDay]:
        """Of one day, by feature."""
        human, missing = (column[day - self.days.start] for column in (self.human, self.missing))
        return {name: FeatureDay(tuple(human[i].tolist()), int(missing[i])) for i, name in enumerate(FEATURE_IDS)}


def count_features(labelled: Labelled, counts: FeatureCounts) -> None:
    """Add labelled clicks to `counts`; days that are not asked for are left out."""
    for table in labelled.tables(("clicked_at_ms", "human", "features")):
        day = table["clicked_at_ms"].to_numpy() // DAY_MS
        human, features = table["human"].to_numpy(), matrix_of(table)
        for each in set(np.unique(day).tolist()) & set(counts.days):
            place = each - counts.days.start
            counts.human[place] += _binned(features[(day == each) & human])
            counts.missing[place] += (~np.isfinite(features[day == each])).sum(axis=0)


def _binned(features: FloatMatrix) -> npt.NDArray[np.int64]:
    """Clicks in each bin of each feature: (n, F) -> (F, BINS). What is no number is in none."""
    finite = np.isfinite(features)
    places = np.searchsorted(_EDGES, features, side="right") + _FIRST_BINS
    counts: npt.NDArray[np.int64] = np.bincount(places[finite], minlength=_WIDE * BINS).reshape(_WIDE, BINS)
    return counts
