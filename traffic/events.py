"""Rows of simulated columns as events. Pure."""

from typing import Any

from contracts.events import DEVICES, Click, Purchase
from traffic.columns import NO_OFFSET, NONE, Clicks, Purchases
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
)

CAMPAIGN_IDS = [f"campaign-{i}" for i in range(CAMPAIGNS)]
ADVERTISER_IDS = [f"advertiser-{i}" for i in range(ADVERTISERS)]
PUBLISHER_IDS = [f"publisher-{i}" for i in range(PUBLISHERS)]
DEVICES_OF_AGENTS = [DEVICES[device] for device in DEVICE_OF_AGENT.tolist()]


def dotted(address: int) -> str:
    """IPv4 address in dotted notation."""
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


def to_clicks(clicks: Clicks, id_prefix: str, first_number: int) -> list[Click]:
    """Events of the rows; click_ids number them from `first_number` on."""
    return [_click(f"{id_prefix}-{number:09x}", row) for number, row in enumerate(clicks.tolist(), first_number)]


def to_purchases(purchases: Purchases, id_prefix: str) -> list[Purchase]:
    """Events of the rows."""
    return [_purchase(id_prefix, row) for row in purchases.tolist()]


def _click(click_id: str, row: tuple[Any, ...]) -> Click:
    at_ms, _, account, session, logged_in, ip, user_agent, utc_offset_min, campaign, *rest = row
    ad, publisher, query, *_ = rest
    return Click(
        click_id=click_id,
        clicked_at_ms=at_ms,
        session_id=f"s{session:016x}",
        logged_in=logged_in,
        ip=dotted(ip),
        user_agent=USER_AGENTS[user_agent],
        device=DEVICES_OF_AGENTS[user_agent],
        advertiser_id=ADVERTISER_IDS[ADVERTISER_OF[campaign]],
        campaign_id=CAMPAIGN_IDS[campaign],
        cost_micros=COST_MICROS[campaign],
        currency=CURRENCY,
        user_id=None if account == NONE else f"u{account:016x}",
        utc_offset_min=None if utc_offset_min == NO_OFFSET else utc_offset_min,
        ad_id=None if ad == NONE else f"{CAMPAIGN_IDS[campaign]}-ad-{ad}",
        publisher_id=None if publisher == NONE else PUBLISHER_IDS[publisher],
        query=None if query == NONE else QUERIES[query],
    )


def _purchase(id_prefix: str, row: tuple[Any, ...]) -> Purchase:
    at_ms, number, account, session, value_micros, names_click = row
    before = session == NONE
    return Purchase(
        purchase_id=f"{'b' if before else 'p'}-{id_prefix}-{number:09x}",
        purchased_at_ms=at_ms,
        value_micros=value_micros,
        currency=CURRENCY,
        user_id=None if account == NONE else f"u{account:016x}",
        session_id=None if before else f"s{session:016x}",
        click_id=f"{id_prefix}-{number:09x}" if names_click else None,
    )
