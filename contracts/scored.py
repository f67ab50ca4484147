"""Scored clicks, column by column: what evaluation measures and calibration sets thresholds on."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

HOURS_OF_WEEK: Final = 168


class Scored(NamedTuple):
    """n clicks with what a model said of them and what is known of them, each column (n,).

    `score`: written scores (six decimals). `slice_index`: place of the click's slice in `slices`. `purchasing`: whether
    the click led to a purchase. `by_rules`: a rule invalidates it whatever its score. `session_clicks_1h`: ad clicks of
    its session in the hour up to it. `hour_of_week`: 0 (Monday 0:00, local) to 167. `kind_index`: place in `kinds` of
    what really made the click; both are None outside of simulated traffic.
    """

    slices: tuple[str, ...]
    score: npt.NDArray[np.float64]
    slice_index: npt.NDArray[np.int16]
    purchasing: npt.NDArray[np.bool_]
    by_rules: npt.NDArray[np.bool_]
    session_clicks_1h: npt.NDArray[np.float32]
    hour_of_week: npt.NDArray[np.int16]
    clicked_at_ms: npt.NDArray[np.int64]
    kinds: tuple[str, ...] | None = None
    kind_index: npt.NDArray[np.int16] | None = None

    def rows(self, chosen: npt.NDArray[np.bool_] | slice) -> "Scored":
        """The chosen clicks alone."""
        columns: dict[str, Any] = {
            name: column[chosen] for name, column in self._asdict().items() if isinstance(column, np.ndarray)
        }
        return self._replace(**columns)

    def invalid(self, thresholds: Mapping[str, float]) -> npt.NDArray[np.bool_]:
        """Which clicks are invalid, (n,): a rule says so, or the written score reaches its slice's threshold."""
        by_slice = np.array([thresholds[name] for name in self.slices], np.float64)
        return self.by_rules | (self.score >= by_slice[self.slice_index])

    def busy(self, busy_over: float) -> npt.NDArray[np.bool_]:
        """Which clicks count for robotic coverage, (n,): their session has more than `busy_over` ad clicks in 1 h."""
        return self.session_clicks_1h > busy_over
