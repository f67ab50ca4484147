"""What guardrails on counts share: too few or too many in a stretch of time, against what is usual for it."""

from typing import Final

import numpy as np
import numpy.typing as npt

from contracts.summaries import HOURS, DaySummary
from guardrails.chance import ruled_out
from guardrails.past import Judged, Stretch
from guardrails.verdicts import Looked

TOO_EARLY: Final = "There are not enough whole weeks before it, or too few clicks."


def by_hour(column: str, day: DaySummary) -> npt.NDArray[np.int64]:
    """A column of all slices together, (24,): clicks, labelled, human or purchasing."""
    total: npt.NDArray[np.int64] = np.zeros(HOURS, np.int64)
    for counts in day.slices.values():
        total += np.array(getattr(counts, column))
    return total


def too_few(judged: Judged, stretch: Stretch, what: str, least: float, sure: float) -> list[Looked]:
    """Too few of `what` in a stretch of time, or enough; nothing where chance alone may bring none."""
    past = stretch.usual
    if not ruled_out(0, past.median, past.spread, sure):
        return []  # not even 0 would be too few
    ratio = stretch.found / past.median
    beyond = ratio < least and ruled_out(stretch.found, past.median, past.spread, sure)
    sentence = f"{_told(judged, stretch, what)}; at least {least:g} times it must be."
    return [Looked(_where(judged, stretch), ratio, least, beyond, least / max(ratio, 1e-9), sentence)]


def too_many(judged: Judged, stretch: Stretch, what: str, most: float, sure: float) -> list[Looked]:
    """Too many of `what` in a stretch of time, or not."""
    past = stretch.usual
    if not past.median:
        return []
    ratio = stretch.found / past.median
    beyond = ratio > most and ruled_out(stretch.found, past.median, past.spread, sure)
    sentence = f"{_told(judged, stretch, what)}; at most {most:g} times it may be."
    return [Looked(_where(judged, stretch), ratio, most, beyond, ratio / most, sentence)]


def _where(judged: Judged, stretch: Stretch) -> str:
    return f"{judged.name} up to {stretch.end_hour:02d}:00, {stretch.hours} h"


def _told(judged: Judged, stretch: Stretch, what: str) -> str:
    return (
        f"In the {stretch.hours} h up to {judged.name} {stretch.end_hour:02d}:00 UTC there were {stretch.found:,.0f} "
        f"{what}, {stretch.found / stretch.usual.median:.2f} times the {stretch.usual.median:,.0f} that are usual"
    )
