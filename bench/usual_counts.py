"""Counting a click the usual way, for every engine that does the same job: redis-py, one pipeline.

Counted are the same entities, windows and distinct counts as SLIDR's: a sliding window is the current and the previous
time bucket, weighted; distinct counts are HyperLogLogs by bucket. `queue` puts the commands of a click onto a pipeline
of either client, `read` takes its features off the replies. The standard library is enough: two engines run this in an
environment of their own.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

WINDOWS_S = {"1m": 60, "10m": 600, "1h": 3_600, "24h": 86_400}
DISTINCT_S = {"1h": 3_600, "24h": 86_400}
Features = dict[str, float]


class Click(NamedTuple):
    """One click, as far as this job reads it."""

    click_id: str
    clicked_at_ms: int
    session_id: str
    logged_in: bool
    ip: str
    user_agent: str
    device: str
    campaign_id: str
    cost_micros: int
    user_id: str | None
    utc_offset_min: int | None

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Self:
        """From decoded JSON."""
        return cls._make(map(value.get, cls._fields))


def count(counters: Any, clicks: Sequence[Click]) -> list[Features]:
    """Count clicks with redis-py's blocking client, in one round trip; return the features of each by name."""
    with counters.pipeline(transaction=False) as pipe:
        for click in clicks:
            queue(pipe, click)
        replies = iter(pipe.execute())
    return [read(click, replies) for click in clicks]


def queue(pipe: Any, click: Any) -> None:
    """Queue the commands that count the click for all its entities."""
    now_s, names = click.clicked_at_ms / 1_000, entity_names(click)
    pipe.mget([previous_key(f"{e}:{name}", w, now_s) for e, name in names.items() for w in WINDOWS_S.values()])
    for entity, name in names.items():
        count_entity(pipe, f"{entity}:{name}", now_s)
    for entity, what, member in distinct_members(click):
        count_distinct(pipe, f"{entity}:{names[entity]}:{what}", member, now_s)


def read(click: Any, replies: Iterator[Any]) -> Features:
    """Features of the click by name, from the replies to what was queued for it."""
    now_s = click.clicked_at_ms / 1_000
    features: Features = {}
    previous = iter(next(replies))
    for entity in entity_names(click):
        features |= entity_features(entity, previous, replies, now_s)
    for entity, what, member in distinct_members(click):
        features |= distinct_features(f"{entity}_distinct_{what}", replies, member)
    return features | calendar(click)


def entity_names(click: Any) -> dict[str, str]:
    """Who or what is counted."""
    account = click.user_id or click.session_id
    return {
        "account": account,
        "session": click.session_id,
        "account_campaign": f"{account}:{click.campaign_id}",
        "ip": click.ip,
        "ip_ua": f"{click.ip}:{click.user_agent}",
    }


def distinct_members(click: Any) -> list[tuple[str, str, str | None]]:
    """Entity, what is counted once each for it, and the click's."""
    return [
        ("account", "ips", click.ip),
        ("account", "campaigns", click.campaign_id),
        ("ip", "sessions", click.session_id),
        ("ip", "users", click.user_id),
    ]


def previous_key(name: str, window_s: int, now_s: float) -> str:
    """Key of the time bucket before the current one."""
    return f"{name}:{window_s}:{int(now_s // window_s) - 1}"


def count_entity(pipe: Any, name: str, now_s: float) -> None:
    """Queue the commands that count one entity in all windows: 9 commands."""
    for window_s in WINDOWS_S.values():
        bucket = int(now_s // window_s)
        pipe.incr(f"{name}:{window_s}:{bucket}")
        pipe.expire(f"{name}:{window_s}:{bucket}", 2 * window_s)
    pipe.set(f"{name}:last", now_s, ex=86_400, get=True)


def count_distinct(pipe: Any, name: str, member: str | None, now_s: float) -> None:
    """Queue the commands of one distinct count: 6, or 2 where there is no member to add."""
    for window_s in DISTINCT_S.values():
        key = f"{name}:{window_s}:{int(now_s // window_s)}"
        if member is not None:
            pipe.pfadd(key, member)
            pipe.expire(key, 2 * window_s)
        pipe.pfcount(key)


def entity_features(entity: str, previous: Any, replies: Any, now_s: float) -> Features:
    """Counts, a rate, bursts and the gap of one entity."""
    count = {}
    for window, window_s in WINDOWS_S.items():
        current, _ = next(replies), next(replies)
        count[window] = current + (1 - now_s % window_s / window_s) * int(next(previous) or 0)
    last = next(replies)
    return {
        **{f"{entity}_clicks_{window}": clicks for window, clicks in count.items()},
        f"{entity}_rate_10m": count["10m"] / 10,
        f"{entity}_burst_1m_1h": count["1m"] * 60 / count["1h"],
        f"{entity}_burst_1h_24h": count["1h"] * 24 / count["24h"],
        f"{entity}_gap_s": now_s - float(last) if last else -1.0,
    }


def distinct_features(name: str, replies: Any, member: str | None) -> Features:
    """The two distinct counts of one kind."""
    found = {}
    for window in DISTINCT_S:
        if member is not None:
            next(replies), next(replies)
        found[f"{name}_{window}"] = next(replies)
    return found


def calendar(click: Any) -> Features:
    """Time of the click on two circles, and whether the user was logged in."""
    local_s = click.clicked_at_ms / 1_000 + 60 * (click.utc_offset_min or 0) - 4 * 86_400
    day, week = 2 * math.pi * (local_s / 86_400 % 1), 2 * math.pi * (local_s / 604_800 % 1)
    return {
        "hour_sin": math.sin(day),
        "hour_cos": math.cos(day),
        "weekday_sin": math.sin(week),
        "weekday_cos": math.cos(week),
        "logged_in": float(click.logged_in),
    }
