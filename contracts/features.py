"""The feature table: one row a feature. Order, model input, feature log and docs follow from it.

A release lists the ids it uses, in its order; the worker computes the whole table and gathers. So a row may be added
at the end at any time; a row is never changed in meaning, renamed or moved.
"""

from typing import Literal, NamedTuple

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS

Entity = Literal["account", "session", "ip", "ip_ua", "account_campaign", "click"]
Kind = Literal["clicks", "rate", "burst", "gap", "distinct", "calendar", "flag"]

# The entities that are counted, in the order of their blocks in a store's answer.
COUNTED_ENTITIES: tuple[Entity, ...] = ("account", "session", "account_campaign", "ip", "ip_ua")
WINDOWS_MS: dict[str, int] = {"1m": MINUTE_MS, "10m": 10 * MINUTE_MS, "1h": HOUR_MS, "24h": 24 * HOUR_MS}
# (entity, what is counted without repetition); windows 1 h and 24 h.
DISTINCT: tuple[tuple[Entity, str], ...] = (
    ("account", "ips"),
    ("account", "campaigns"),
    ("ip", "sessions"),
    ("ip", "users"),
)
DISTINCT_WINDOWS: tuple[str, str] = ("1h", "24h")
LONGEST_WINDOW_MS = WINDOWS_MS["24h"]
# A click from further in the future of its Kafka timestamp than this is counted nowhere.
FUTURE_BOUND_MS = 5 * MINUTE_MS
# Gap of an entity that was never seen, or not within the longest window.
NO_GAP = -1.0


class Feature(NamedTuple):
    """One feature. `window` and `base` name windows; `base` is the long window of a burst ratio."""

    id: str
    unit: str
    entity: Entity
    kind: Kind
    window: str = ""
    base: str = ""
    of: str = ""


def _counter_rows(entity: Entity) -> list[Feature]:
    rows = [Feature(f"{entity}_clicks_{w}", "clicks", entity, "clicks", w) for w in WINDOWS_MS]
    rows.append(Feature(f"{entity}_rate_10m", "clicks per minute", entity, "rate", "10m"))
    # Mean rate in the short window over mean rate in the long one: 1 is steady.
    rows.append(Feature(f"{entity}_burst_1m_1h", "ratio", entity, "burst", "1m", "1h"))
    rows.append(Feature(f"{entity}_burst_1h_24h", "ratio", entity, "burst", "1h", "24h"))
    rows.append(Feature(f"{entity}_gap_s", "seconds", entity, "gap"))
    return rows


FEATURES: tuple[Feature, ...] = (
    *(row for entity in COUNTED_ENTITIES for row in _counter_rows(entity)),
    *(
        Feature(f"{entity}_distinct_{what}_{window}", what, entity, "distinct", window, of=what)
        for entity, what in DISTINCT
        for window in DISTINCT_WINDOWS
    ),
    Feature("hour_sin", "unit circle", "click", "calendar", of="hour"),
    Feature("hour_cos", "unit circle", "click", "calendar", of="hour"),
    Feature("weekday_sin", "unit circle", "click", "calendar", of="weekday"),
    Feature("weekday_cos", "unit circle", "click", "calendar", of="weekday"),
    Feature("logged_in", "0 or 1", "click", "flag"),
)
FEATURE_IDS: tuple[str, ...] = tuple(feature.id for feature in FEATURES)
FEATURE_INDEX: dict[str, int] = {feature_id: i for i, feature_id in enumerate(FEATURE_IDS)}
