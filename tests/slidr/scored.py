"""Scored clicks of the real slices, for the tests of commands and reports."""

import numpy as np

from contracts.scored import Scored
from model.manifest import SLICES
from tests.calibrate.clicks import DAY_MS, START_MS, traffic

LATER_MS = START_MS + 5 * DAY_MS


def scored_clicks(seed: int = 1, start_ms: int = START_MS, guests_buy: bool = True) -> Scored:
    """Four days of clicks, with nearly none on tablets and none of other devices."""
    clicks = traffic(seed, dict.fromkeys(("app|user", "app|guest", "web|user", "web|guest"), 4000), 4, start_ms)
    names = ("app|user", "app|guest", "mobile|user", "desktop|guest")
    index = np.array([SLICES.index(name) for name in names], np.int16)[clicks.slice_index]
    index[:40] = SLICES.index("tablet|user")
    purchasing = clicks.purchasing if guests_buy else clicks.purchasing & (index != SLICES.index("app|guest"))
    return clicks._replace(slices=SLICES, slice_index=index, purchasing=purchasing)
