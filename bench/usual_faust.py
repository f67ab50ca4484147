"""The same job as most would write it, to compare with: a Faust agent, an event at a time.

    USUAL_KAFKA=kafka://… USUAL_REDIS=redis://… USUAL_RELEASE=<folder of a release> python -m bench.usual_faust worker

Kept as its documentation teaches: a Record, `async for`, a redis-py pipeline, a model run, `topic.send`. Counted are
the same entities, windows and distinct counts as SLIDR's: a sliding window is the current and the previous time bucket,
weighted; distinct counts are HyperLogLogs by bucket. It leaves out what SLIDR does besides: rules, the feature log,
dead letters, hashed names, and counting each click exactly once when something fails. The pipeline is one round trip.
"""

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import faust
import numpy as np
import onnxruntime
import redis.asyncio as redis

WINDOWS_S = {"1m": 60, "10m": 600, "1h": 3_600, "24h": 86_400}
DISTINCT_S = {"1h": 3_600, "24h": 86_400}
RELEASE = Path(os.environ["USUAL_RELEASE"])
FEATURE_IDS = json.loads((RELEASE / "manifest.json").read_text())["feature_ids"]
THRESHOLDS = json.loads((RELEASE / "calibration.json").read_text())["thresholds"]


class Click(faust.Record, serializer="json"):
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
    user_id: str | None = None
    utc_offset_min: int | None = None


class Decision(faust.Record, serializer="json"):
    """The verdict."""

    click_id: str
    verdict: str
    score: float
    threshold: float
    cost_micros: int
    clicked_at_ms: int
    decided_at_ms: int


app = faust.App("usual-faust", broker=os.environ["USUAL_KAFKA"], topic_allow_declare=False, topic_disable_leader=True)
clicks = app.topic("usual-clicks", value_type=Click)
decisions = app.topic("usual-decisions", value_type=Decision)
counters = redis.Redis.from_url(os.environ["USUAL_REDIS"])
session = onnxruntime.InferenceSession(RELEASE / "model.onnx", providers=["CPUExecutionProvider"])


@app.agent(clicks)
async def decide(stream: Any) -> None:
    """Count, score, decide."""
    async for click in stream:
        features = await count(click)
        row = np.array([[features[feature] for feature in FEATURE_IDS]], np.float32)
        score = float(session.run(None, {"features": row})[0][0])
        threshold = THRESHOLDS[f"{click.device}|{'user' if click.logged_in else 'guest'}"]
        await decisions.send(
            key=click.click_id,
            value=Decision(
                click_id=click.click_id,
                verdict="invalid" if score >= threshold else "valid",
                score=score,
                threshold=threshold,
                cost_micros=click.cost_micros,
                clicked_at_ms=click.clicked_at_ms,
                decided_at_ms=int(time.time() * 1_000),
            ),
        )


async def count(click: Click) -> dict[str, float]:
    """Count the click for all its entities, in one pipeline; return its features by name."""
    now_s = click.clicked_at_ms / 1_000
    account = click.user_id or click.session_id
    names = {
        "account": account,
        "session": click.session_id,
        "account_campaign": f"{account}:{click.campaign_id}",
        "ip": click.ip,
        "ip_ua": f"{click.ip}:{click.user_agent}",
    }
    members = [
        ("account", "ips", click.ip),
        ("account", "campaigns", click.campaign_id),
        ("ip", "sessions", click.session_id),
        ("ip", "users", click.user_id),
    ]
    async with counters.pipeline(transaction=False) as pipe:
        pipe.mget([previous_key(f"{e}:{name}", w, now_s) for e, name in names.items() for w in WINDOWS_S.values()])
        for entity, name in names.items():
            count_entity(pipe, f"{entity}:{name}", now_s)
        for entity, what, member in members:
            count_distinct(pipe, f"{entity}:{names[entity]}:{what}", member, now_s)
        replies = iter(await pipe.execute())
    features: dict[str, float] = {}
    previous = iter(next(replies))
    for entity in names:
        features |= entity_features(entity, previous, replies, now_s)
    for entity, what, member in members:
        features |= distinct_features(f"{entity}_distinct_{what}", replies, member)
    return features | calendar(click)


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


def entity_features(entity: str, previous: Any, replies: Any, now_s: float) -> dict[str, float]:
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


def distinct_features(name: str, replies: Any, member: str | None) -> dict[str, float]:
    """The two distinct counts of one kind."""
    found = {}
    for window in DISTINCT_S:
        if member is not None:
            next(replies), next(replies)
        found[f"{name}_{window}"] = next(replies)
    return found


def calendar(click: Click) -> dict[str, float]:
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


if __name__ == "__main__":
    app.main()
