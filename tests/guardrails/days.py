"""Summaries of days without any simulation: every count is plain, a test names only what matters to it."""

from typing import Any

import msgspec

from contracts.summaries import BINS, DaySummary, FeatureDay, SliceDay, Sources

MONDAY = 19_723  # 2024-01-01


def day(number: int = MONDAY, clicks: int = 100, **fields: Any) -> DaySummary:
    """A day with `clicks` clicks in each hour, a tenth of them human, a hundredth purchasing."""
    whole = (True,) * 24
    slice_ = SliceDay((clicks,) * 24, (clicks,) * 24, (clicks // 10,) * 24, (clicks // 100,) * 24)
    plain = DaySummary(
        day=number,
        whole=whole,
        labelled=whole,
        slices={"desktop|user": slice_},
        purchases=(clicks // 100,) * 24,
        purchases_again=(0,) * 24,
        not_human=0,
        week_labelled=(0,) * 168,
        week_human=(0,) * 168,
        features={"ip_gap_s": FeatureDay((100,) * BINS)},
        sources=Sources(24 * clicks, 0, 0, 0, (2 * number,), (2 * number + 1,)),
    )
    return msgspec.structs.replace(plain, **fields)
