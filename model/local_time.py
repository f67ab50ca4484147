"""The hour of the local week, recovered from a click's time and its features: logs carry no UTC offset.

weekday_sin and weekday_cos are the local week's angle. As float32 they tell the local time to some 10 ms, which is not
enough beside a full hour; but offsets are whole minutes, so the nearest one is the true one, and with it the local time
is exact:

    offset = round((angle as local time - UTC time) / 1 min)     hour = (UTC time + offset) // 1 h mod 168
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contracts.features import HOUR_MS, MINUTE_MS
from contracts.scored import HOURS_OF_WEEK

_WEEK_MS: Final = HOURS_OF_WEEK * HOUR_MS
_FIRST_MONDAY_MS: Final = 4 * 24 * HOUR_MS  # 5 January 1970


def hour_of_week(
    clicked_at_ms: npt.NDArray[np.int64], weekday_sin: npt.NDArray[Any], weekday_cos: npt.NDArray[Any]
) -> npt.NDArray[np.int16]:
    """Hours (n,) from 0 (Monday 0:00, local) to 167 of clicks (n,) with the features `weekday_sin`, `weekday_cos`."""
    angle = np.arctan2(weekday_sin.astype(np.float64), weekday_cos.astype(np.float64))
    local_ms = angle / (2 * np.pi) * _WEEK_MS
    since_monday_ms = clicked_at_ms - _FIRST_MONDAY_MS
    # Off by whole weeks, which the last line takes away again.
    offset_min = np.rint((local_ms - since_monday_ms) / MINUTE_MS).astype(np.int64)
    hours: npt.NDArray[np.int64] = (since_monday_ms + offset_min * MINUTE_MS) // HOUR_MS % HOURS_OF_WEEK
    return hours.astype(np.int16)
