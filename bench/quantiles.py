"""Exact quantiles of durations. Pure."""

from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

Seconds = npt.NDArray[np.float64]


class Quantiles(Struct, frozen=True):
    """Of n durations, in milliseconds. A quantile is the smallest duration that so many do not exceed."""

    n: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


def quantiles(seconds: Seconds, weights: npt.NDArray[Any] | None = None) -> Quantiles:
    """Quantiles of durations, each counted `weights` times (once, without)."""
    if not len(seconds):
        return Quantiles(0, 0.0, 0.0, 0.0, 0.0)
    order = np.argsort(seconds, kind="stable")
    ordered = seconds[order]
    ranks = np.arange(1, len(seconds) + 1) if weights is None else np.cumsum(weights[order])
    total = int(ranks[-1])

    def at_ms(share: float) -> float:
        place = int(np.searchsorted(ranks, np.ceil(round(share * total, 6))))
        return round(1_000 * float(ordered[place]), 3)

    return Quantiles(total, at_ms(0.5), at_ms(0.99), at_ms(0.999), at_ms(1.0))
