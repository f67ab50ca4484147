"""The feature store alone: clicks per second, and CPU of Redis and of the client, by the size of a call."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import redis
import uvloop

from bench.clicks import draw_clicks
from bench.cpu import cpu_s
from bench.deployment import Deployment
from contracts.events import Click
from contracts.ports import CountCall, Counted
from features.redis_store import RedisFeatureStore

CALL_CLICKS = (1, 16, 64, 128, 256)
# As many calls are under way at once as two takes of the worker hold.
CALLS_AT_ONCE = 8
# A call of one click costs several times as much per click: fewer of them say as much.
_LEAST_SHARE = 0.1
_ENTITY_KEY = "an entity key for benchmarks only"


def measure_store(place: Deployment, clicks: int, seed: int) -> list[dict[str, Any]]:
    """One row a call size, each on an empty Redis."""
    drawn = draw_clicks(clicks, seed)
    return [_measure(place, drawn, size) for size in CALL_CLICKS]


def _measure(place: Deployment, clicks: list[Click], size: int) -> dict[str, Any]:
    server = place.servers.redis
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    some = clicks[: int(len(clicks) * max(_LEAST_SHARE, min(1.0, size / 64)))]
    before_s, cpu, wall = cpu_s(server.pid), time.thread_time(), time.monotonic()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_count(server.url, some, size))
    seconds = time.monotonic() - wall
    return {
        "call_clicks": size,
        "clicks": len(some),
        "clicks_per_s": round(len(some) / seconds),
        "redis_us": round(1e6 * (cpu_s(server.pid) - before_s) / len(some), 1),
        "client_us": round(1e6 * (time.thread_time() - cpu) / len(some), 1),
    }


async def _count(url: str, clicks: list[Click], size: int) -> None:
    store = await RedisFeatureStore.connect(url, _ENTITY_KEY)
    calls = list(calls_of(clicks, size))
    for start in range(0, len(calls), CALLS_AT_ONCE):
        replies = await asyncio.gather(*map(store.count, calls[start : start + CALLS_AT_ONCE]))
        assert all(isinstance(reply, Counted) for reply in replies)
    await store.close()


def calls_of(clicks: list[Click], size: int) -> Iterator[CountCall]:
    """Calls of one partition that follow one another; all before is acknowledged by the next but some. Pure."""
    for start in range(0, len(clicks), size):
        part = clicks[start : start + size]
        last = start + len(part) - 1
        acknowledged = max(-1, start - CALLS_AT_ONCE * size - 1)
        yield CountCall(0, start - 1 if start else None, last, acknowledged, part, range(start, last + 1))
