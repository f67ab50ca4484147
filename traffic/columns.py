"""Simulated clicks and purchases as columns: drawn for thousands of visits at a time, in NumPy. Pure."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from traffic.world import Floats, Integers

NONE = -1
NO_OFFSET = 9999

# One row a click; NONE where there is none.
CLICK = np.dtype(
    [
        ("at_ms", "i8"),
        ("kind", "i1"),  # index into `robots.KINDS`
        ("account", "i8"),
        ("session", "i8"),
        ("logged_in", "?"),
        ("ip", "i8"),
        ("user_agent", "i2"),
        ("utc_offset_min", "i2"),
        ("campaign", "i2"),
        ("ad", "i2"),
        ("publisher", "i2"),
        ("query", "i2"),
        ("purchase_after_ms", "i8"),
        ("value_micros", "i8"),
        ("names_click", "?"),  # whether the shop knows the click that led to the purchase
    ]
)
# One row a purchase. `number` is that of the click that led to it or, with `session` NONE, of an earlier purchase.
PURCHASE = np.dtype(
    [
        ("at_ms", "i8"),
        ("number", "i8"),
        ("account", "i8"),
        ("session", "i8"),
        ("value_micros", "i8"),
        ("names_click", "?"),
    ]
)
Clicks = npt.NDArray[np.void]  # (n,) CLICK
Purchases = npt.NDArray[np.void]  # (n,) PURCHASE


class Window(NamedTuple):
    """From `from_ms` up to, not including, `until_ms`."""

    from_ms: int
    until_ms: int

    @property
    def duration_ms(self) -> int:
        """Its length."""
        return self.until_ms - self.from_ms


class Visits(NamedTuple):
    """The wanted clicks of several visits one after another: which visits have some, number and time of each, (n,)."""

    kept: Integers
    visit: Integers
    at_ms: Integers


def lay_out(starts_ms: Integers, counts: Integers, gaps_ms: Floats, longest_ms: int, window: Window) -> Visits:
    """`counts[i]` clicks from `starts_ms[i]` on, one gap (sum of counts,) after another between them.

    Only visits with wanted clicks are kept and numbered anew, so that nothing has to be drawn for the others.
    """
    visit = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    gaps_ms[first] = 0.0
    elapsed = np.cumsum(gaps_ms)
    since_start_ms = (elapsed - elapsed[first][visit]).astype(np.int64)
    at_ms = starts_ms[visit] + since_start_ms
    wanted = (since_start_ms < longest_ms) & (at_ms >= window.from_ms) & (at_ms < window.until_ms)
    visit = visit[wanted]
    has_wanted = np.zeros(len(counts), bool)
    has_wanted[visit] = True
    return Visits(np.flatnonzero(has_wanted), (np.cumsum(has_wanted) - 1)[visit], at_ms[wanted])


def blank(at_ms: Integers, kind: int) -> Clicks:
    """Clicks at these times of which nothing else is known yet."""
    clicks = np.zeros(len(at_ms), CLICK)
    clicks["at_ms"] = at_ms
    clicks["kind"] = kind
    clicks["utc_offset_min"] = NO_OFFSET
    for name in ("account", "ad", "publisher", "query", "purchase_after_ms"):
        clicks[name] = NONE
    return clicks


def purchases_of(clicks: Clicks, first_number: int) -> Purchases:
    """What these clicks, numbered from `first_number` on, lead to."""
    buying = np.flatnonzero(clicks["purchase_after_ms"] != NONE)
    bought = np.empty(len(buying), PURCHASE)
    for name in ("account", "session", "value_micros", "names_click"):
        bought[name] = clicks[name][buying]
    bought["number"] = first_number + buying
    bought["at_ms"] = clicks["at_ms"][buying] + clicks["purchase_after_ms"][buying]
    return bought
