"""Answers and clicks to the feature table of `contracts.features`: the only place where numbers become features.

clicks, gap   as answered
rate          clicks in the window / its minutes
burst         rate in the short window / rate in the long one; 1 is steady; 0/0 is 0
distinct      m ln(m / (m - o)), o of m slots occupied
calendar      sine and cosine of the share of the day, and of the week from Monday, that has passed: in local time
              if the click tells its UTC offset, else in UTC
flag          0 or 1
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from contracts.events import Click
from contracts.features import (
    DISTINCT,
    DISTINCT_WINDOWS,
    FEATURE_INDEX,
    FEATURES,
    HOUR_MS,
    MINUTE_MS,
    WINDOWS_MS,
    Feature,
)
from contracts.ports import FloatMatrix
from features.answers import ANSWER
from features.sketches import estimate

# Column of the matrix that is also the feature log's `session_clicks_1h`.
SESSION_CLICKS_1H: Final = FEATURE_INDEX["session_clicks_1h"]

_Columns = npt.NDArray[np.intp]
_DAY_MS = 24 * HOUR_MS
_FIRST_MONDAY_MS = 4 * _DAY_MS  # 5 January 1970
_CYCLES_MS = {"hour": _DAY_MS, "weekday": 7 * _DAY_MS}
# Less than any count that is not 0, so that 0/0 becomes 0.
_NEXT_TO_NONE = np.float32(1e-30)


def feature_matrix(answers: bytes, clicks: Sequence[Click]) -> FloatMatrix:
    """Features of n clicks from their n concatenated answers: (n, F) float32, columns in the table's order."""
    occupied = np.frombuffer(answers, np.uint8).reshape(len(clicks), ANSWER.itemsize)
    counts = occupied.view(np.float32)
    matrix = np.empty((len(clicks), len(FEATURES)), np.float32)
    matrix[:, _COUNTED] = counts.take(_COUNTED_WORD, axis=1) * _COUNTED_SCALE
    matrix[:, _BURST] /= np.maximum(counts.take(_BASE_WORD, axis=1), _NEXT_TO_NONE)
    matrix[:, _DISTINCT] = _ESTIMATE[occupied.take(_DISTINCT_BYTE, axis=1)]
    local_ms = np.array([click.clicked_at_ms + MINUTE_MS * (click.utc_offset_min or 0) for click in clicks])
    matrix[:, _CALENDAR] = np.sin((local_ms[:, None] - _FIRST_MONDAY_MS) % _CYCLE_MS * _TURN_PER_MS + _PHASE)
    matrix[:, _FLAG] = np.array([click.logged_in for click in clicks])[:, None]
    return matrix


def _of_kind(*kinds: str) -> list[Feature]:
    return [feature for feature in FEATURES if feature.kind in kinds]


def _columns(features: list[Feature]) -> _Columns:
    return np.array([FEATURE_INDEX[feature.id] for feature in features], np.intp)


def _word(feature: Feature, window: str) -> int:
    """Where the feature's entity has its clicks in `window`, or its gap if that is empty: in words of an answer."""
    return _offset(feature.entity) // 4 + [*WINDOWS_MS, ""].index(window)


def _byte(feature: Feature) -> int:
    """Where the occupied slots of a distinct count stand in an answer."""
    sketches = [what for entity, what in DISTINCT if entity == feature.entity]
    place = len(DISTINCT_WINDOWS) * sketches.index(feature.of) + DISTINCT_WINDOWS.index(feature.window)
    return _offset(f"{feature.entity}_occupied") + place


def _offset(field: str) -> int:
    assert ANSWER.fields is not None
    return int(ANSWER.fields[field][1])


def _scale(feature: Feature) -> float:
    if feature.kind == "rate":
        return MINUTE_MS / WINDOWS_MS[feature.window]
    if feature.kind == "burst":
        return WINDOWS_MS[feature.base] / WINDOWS_MS[feature.window]
    return 1.0


_counted, _bursts = _of_kind("clicks", "rate", "burst", "gap"), _of_kind("burst")
_distinct, _calendar, _flags = _of_kind("distinct"), _of_kind("calendar"), _of_kind("flag")
_COUNTED, _BURST, _DISTINCT = _columns(_counted), _columns(_bursts), _columns(_distinct)
_CALENDAR, _FLAG = _columns(_calendar), _columns(_flags)
_COUNTED_WORD: _Columns = np.array([_word(feature, feature.window) for feature in _counted])
_COUNTED_SCALE = np.array([_scale(feature) for feature in _counted], np.float32)
_BASE_WORD: _Columns = np.array([_word(feature, feature.base) for feature in _bursts])
_DISTINCT_BYTE: _Columns = np.array([_byte(feature) for feature in _distinct])
_ESTIMATE = np.array([estimate(occupied) for occupied in range(256)], np.float32)
_CYCLE_MS = np.array([_CYCLES_MS[feature.of] for feature in _calendar])
_TURN_PER_MS = 2 * np.pi / _CYCLE_MS
# A cosine is a sine a quarter turn ahead.
_PHASE = np.array([np.pi / 2 if feature.id.endswith("_cos") else 0.0 for feature in _calendar])
