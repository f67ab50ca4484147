"""From raw features to what a network learns well; the same steps are nodes of the exported graph.

x = gap < 0 ? longest window : value       a gap that was never seen is as long as can be
y = log(1 + x) for counts, rates, ratios and gaps; y = x for the calendar and flags
z = (y - mean) / deviation                 over the training clicks, as they are weighted
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contracts.features import FEATURE_INDEX, FEATURES, LONGEST_WINDOW_MS
from contracts.ports import FloatMatrix

_AS_THEY_ARE: Final = {"calendar", "flag"}
# Below it a column is constant, and nothing can be learned from it.
_SMALLEST_DEVIATION: Final = 1e-4
_LONGEST_GAP_S: Final = LONGEST_WINDOW_MS / 1000


class Normalisation(NamedTuple):
    """Per feature, each (F,): `slope` for negative values, whether the logarithm is taken, mean, 1 / deviation.

    `inverse_deviation` is 0 for a column that was constant in training: the model never saw it vary and must not act
    on it when it does.
    """

    slope: npt.NDArray[np.float32]
    logarithmic: npt.NDArray[np.bool_]
    mean: npt.NDArray[np.float32]
    inverse_deviation: npt.NDArray[np.float32]

    def apply(self, features: FloatMatrix) -> FloatMatrix:
        """(n, F) float32 raw -> (n, F) float32 normalised."""
        return (_unfold(features, self.slope, self.logarithmic) - self.mean) * self.inverse_deviation


class Fit:
    """Mean and deviation of the columns `feature_ids`, from blocks of rows as they come; holds none of them.

    Blocks are merged by the formula of Chan, Golub and LeVeque (1979), which loses nothing to cancellation:
        mean = mean_a + d·W_b/W     M2 = M2_a + M2_b + d²·W_a·W_b/W     d = mean_b - mean_a, W = W_a + W_b
    """

    def __init__(self, feature_ids: Sequence[str]) -> None:
        kinds = [FEATURES[FEATURE_INDEX[feature_id]].kind for feature_id in feature_ids]
        self._slope = np.array(
            [-_LONGEST_GAP_S if kind == "gap" else float(kind in _AS_THEY_ARE) for kind in kinds], np.float32
        )
        self._logarithmic = np.array([kind not in _AS_THEY_ARE for kind in kinds])
        self._weight = 0.0
        self._mean = np.zeros(len(kinds))
        self._squares = np.zeros(len(kinds))

    def add(self, features: FloatMatrix, weights: npt.NDArray[np.float32]) -> None:
        """Take in rows (n, F) weighted with (n,)."""
        weight = float(weights.sum(dtype=np.float64))
        if weight == 0:
            return
        unfolded = _unfold(features, self._slope, self._logarithmic)
        share = weights.astype(np.float64) / weight
        mean = share @ unfolded
        squares = weight * (share @ np.square(unfolded - mean))
        total, apart = self._weight + weight, mean - self._mean
        self._squares += squares + np.square(apart) * (self._weight * weight / total)
        self._mean += apart * (weight / total)
        self._weight = total

    def normalisation(self) -> Normalisation:
        """Of all rows so far, at least one of which has a weight."""
        deviation = np.sqrt(self._squares / self._weight)
        inverse = np.where(deviation < _SMALLEST_DEVIATION, 0, 1 / np.maximum(deviation, _SMALLEST_DEVIATION))
        return Normalisation(self._slope, self._logarithmic, self._mean.astype(np.float32), inverse.astype(np.float32))


def _unfold(
    features: FloatMatrix, slope: npt.NDArray[np.float32], logarithmic: npt.NDArray[np.bool_]
) -> npt.NDArray[Any]:
    filled = np.where(features < 0, slope * features, features)
    # The logarithm of columns where it is not taken is thrown away; +1 keeps it defined for all of them but -1 itself.
    with np.errstate(divide="ignore"):
        return np.where(logarithmic, np.log(filled + np.float32(1)), filled)
