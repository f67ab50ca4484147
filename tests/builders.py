"""Records for tests: every field has a plain value, a test names only what matters to it."""

from typing import Any

from contracts.events import Click, Decision, Purchase

# 2024-01-01T00:00:00Z, a Monday.
START_MS = 1_704_067_200_000


def click(**fields: Any) -> Click:
    """A click of a logged-in user on a desktop."""
    plain: dict[str, Any] = {
        "click_id": "click-1",
        "clicked_at_ms": START_MS,
        "session_id": "session-1",
        "logged_in": True,
        "ip": "203.0.113.7",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0",
        "device": "desktop",
        "advertiser_id": "advertiser-1",
        "campaign_id": "campaign-1",
        "cost_micros": 250_000,
        "currency": "EUR",
        "user_id": "user-1",
    }
    return Click(**{**plain, **fields})


def purchase(**fields: Any) -> Purchase:
    """A purchase of the same user."""
    plain: dict[str, Any] = {
        "purchase_id": "purchase-1",
        "purchased_at_ms": START_MS,
        "value_micros": 20_000_000,
        "currency": "EUR",
        "user_id": "user-1",
    }
    return Purchase(**{**plain, **fields})


def decision(**fields: Any) -> Decision:
    """A live decision that the click is valid."""
    plain: dict[str, Any] = {
        "click_id": "click-1",
        "advertiser_id": "advertiser-1",
        "campaign_id": "campaign-1",
        "ad_id": None,
        "cost_micros": 250_000,
        "currency": "EUR",
        "clicked_at_ms": START_MS,
        "decided_at_ms": START_MS + 4,
        "verdict": "valid",
        "reason": "model",
        "rules": (),
        "score": 0.125,
        "threshold": 0.5,
        "slice": "desktop/in",
        "model_version": "pass-through",
        "run": "live",
        "revision": 0,
        "supersedes": None,
        "source_partition": 0,
        "source_offset": 0,
    }
    return Decision(**{**plain, **fields})
