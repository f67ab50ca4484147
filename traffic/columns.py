"""Simulated clicks as columns, and columns as events. Pure.

Behaviour is drawn for thousands of visits at a time, in NumPy; only clicks that are wanted become events.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from contracts.events import DEVICES, Click, Purchase
from traffic.world import (
    ADVERTISER_OF,
    ADVERTISERS,
    CAMPAIGNS,
    COST_MICROS,
    CURRENCY,
    DEVICE_OF_AGENT,
    PUBLISHERS,
    QUERIES,
    USER_AGENTS,
    Floats,
    Integers,
    dotted,
)

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
Clicks = npt.NDArray[np.void]  # (n,) CLICK


class Window(NamedTuple):
    """Clicks from `from_ms` up to, not including, `until_ms` are wanted."""

    from_ms: int
    until_ms: int


class Visits(NamedTuple):
    """The wanted clicks of several visits one after another: number of its visit and time of each, (n,)."""

    visits: int
    visit: Integers
    at_ms: Integers


def lay_out(starts_ms: Integers, counts: Integers, gaps_ms: Floats, longest_ms: int, window: Window) -> Visits:
    """`counts[i]` clicks from `starts_ms[i]` on, one gap (sum of counts,) after another between them.

    Only visits with wanted clicks are numbered, so that nothing has to be drawn for the others.
    """
    visit = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    gaps_ms[first] = 0.0
    elapsed = np.cumsum(gaps_ms)
    since_start_ms = (elapsed - elapsed[first][visit]).astype(np.int64)
    at_ms = starts_ms[visit] + since_start_ms
    wanted = (since_start_ms < longest_ms) & (at_ms >= window.from_ms) & (at_ms < window.until_ms)
    kept, renumbered = np.unique(visit[wanted], return_inverse=True)
    return Visits(len(kept), renumbered, at_ms[wanted])


def blank(at_ms: Integers, kind: int) -> Clicks:
    """Clicks at these times of which nothing else is known yet."""
    clicks = np.zeros(len(at_ms), CLICK)
    clicks["at_ms"] = at_ms
    clicks["kind"] = kind
    clicks["utc_offset_min"] = NO_OFFSET
    for name in ("account", "ad", "publisher", "query", "purchase_after_ms"):
        clicks[name] = NONE
    return clicks


_CAMPAIGN_IDS = [f"campaign-{i}" for i in range(CAMPAIGNS)]
_ADVERTISER_IDS = [f"advertiser-{i}" for i in range(ADVERTISERS)]
_PUBLISHER_IDS = [f"publisher-{i}" for i in range(PUBLISHERS)]
_DEVICES = [DEVICES[device] for device in DEVICE_OF_AGENT.tolist()]


class Event(NamedTuple):
    """A click, its kind, and the purchase that it led to."""

    click: Click
    kind: int
    purchase: Purchase | None


def to_events(clicks: Clicks, id_prefix: str, first_number: int) -> list[Event]:
    """Events of the rows; click_ids number them from `first_number` on."""
    rows = enumerate(clicks.tolist(), first_number)
    return [_event(f"{id_prefix}-{number:x}", row) for number, row in rows]


def _event(click_id: str, row: tuple[Any, ...]) -> Event:
    at_ms, kind, account, session, logged_in, ip, user_agent, utc_offset_min, campaign, *rest = row
    ad, publisher, query, purchase_after_ms, value_micros, names_click = rest
    click = Click(
        click_id=click_id,
        clicked_at_ms=at_ms,
        session_id=f"s{session:x}",
        logged_in=logged_in,
        ip=dotted(ip),
        user_agent=USER_AGENTS[user_agent],
        device=_DEVICES[user_agent],
        advertiser_id=_ADVERTISER_IDS[ADVERTISER_OF[campaign]],
        campaign_id=_CAMPAIGN_IDS[campaign],
        cost_micros=COST_MICROS[campaign],
        currency=CURRENCY,
        user_id=None if account == NONE else f"u{account:x}",
        utc_offset_min=None if utc_offset_min == NO_OFFSET else utc_offset_min,
        ad_id=None if ad == NONE else f"{_CAMPAIGN_IDS[campaign]}-ad-{ad}",
        publisher_id=None if publisher == NONE else _PUBLISHER_IDS[publisher],
        query=None if query == NONE else QUERIES[query],
    )
    if purchase_after_ms == NONE:
        return Event(click, kind, None)
    purchase = Purchase(
        purchase_id=f"p-{click_id}",
        purchased_at_ms=at_ms + purchase_after_ms,
        value_micros=value_micros,
        currency=CURRENCY,
        user_id=click.user_id,
        session_id=click.session_id,
        click_id=click_id if names_click else None,
    )
    return Event(click, kind, purchase)
