"""Decided clicks that a purchase may still name, in bounded memory: a sample once there are too many."""

from typing import NamedTuple

from guardrails.sentinel.state import HOUR_MS
from streams.sentinel_rows import Rows

MOST = 500_000


class RecentClick(NamedTuple):
    """A decided click."""

    offset: int
    at_ms: int
    version: str
    slice: str
    invalid: bool

    @property
    def hour(self) -> int:
        """Hours since 1970."""
        return self.at_ms // HOUR_MS


class RecentClicks:
    """Clicks of the last `keep_ms`. Past `most`, one in two, four ... by source offset: a rate stays what it is."""

    def __init__(self, keep_ms: int, most: int = MOST) -> None:
        self._keep_ms = keep_ms
        self._most = most
        self._clicks: dict[str, RecentClick] = {}
        self.one_in = 1

    def __len__(self) -> int:
        return len(self._clicks)

    def add(self, rows: Rows, newest_ms: int) -> None:
        """Remember clicks, and forget those that are too old by now."""
        chosen = (rows.offsets % self.one_in == 0).nonzero()[0]
        names = [rows.slices[index] for index in rows.slice_index[chosen].tolist()]
        columns = (rows.offsets[chosen].tolist(), rows.at_ms[chosen].tolist(), names, rows.invalid[chosen].tolist())
        for click_id, offset, at_ms, slice_, invalid in zip(
            rows.click_ids.take(chosen).to_pylist(), *columns, strict=True
        ):
            self._clicks[click_id] = RecentClick(offset, at_ms, rows.version, slice_, invalid)
        self._forget(newest_ms)

    def take(self, click_id: str, purchased_at_ms: int) -> RecentClick | None:
        """The click that a purchase names, once; None if it is not known, or too old to count."""
        click = self._clicks.pop(click_id, None)
        if click is None or not click.at_ms <= purchased_at_ms <= click.at_ms + self._keep_ms:
            return None
        return click

    def _forget(self, newest_ms: int) -> None:
        while self._clicks:
            oldest = next(iter(self._clicks))
            if self._clicks[oldest].at_ms >= newest_ms - self._keep_ms:
                break
            del self._clicks[oldest]
        while len(self._clicks) > self._most:
            self.one_in *= 2
            self._clicks = {
                click_id: click for click_id, click in self._clicks.items() if click.offset % self.one_in == 0
            }
