"""Recomputations of what a worker has decided: their rate, their bytes, and how far features offline are those online.

    clicks ──► worker, live ──► feature-log ─┐
       └─────► recomputed, twice ────────────┴──► agreement          the two equal, record by record?

The clicks are sent while the worker runs, in the order of their times. One that reads a backlog takes a stretch of one
partition after a stretch of another, so it counts the clicks of an address in an order that no live one has.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, Final, NamedTuple

import msgspec
from rich.progress import Progress

from bench.backlog import run_worker
from bench.clicks import draw_clicks, fill, paced
from bench.deployment import Deployment
from bench.progress import step
from bench.replays import COMPARE_PER_S, UNLIMITED, differing, now_ms, planned, replaying, shadow_topic
from bench.watch import Spent, Watch, spent
from contracts.agreement import Agreed
from contracts.events import Click
from contracts.topics import Topic
from slidr.replaying import Outcome

_LIMIT_S: Final = 3_600.0
_DRAW_PER_S, _RECOMPUTE_PER_S = 25_000, 8_000
_PREFIX: Final = "recomputed-"
_LIVE_LINGER_MS: Final = 0.5


class Recomputed(NamedTuple):
    """How much is decided, sent at `per_s` clicks/s (None: all before the worker starts), and then counted again."""

    clicks: int
    per_s: float | None
    seed: int


class Run(msgspec.Struct, frozen=True):
    """One recomputation, from the start of its process to its end; CPU of the process with its own Redis."""

    seconds: float
    per_s: float
    cpu_us: float
    agreement: Agreed


def measure_recompute(place: Deployment, amount: Recomputed, shown: Progress) -> dict[str, Any]:
    """Two recomputations of what a worker has decided: rates, agreement, and how many records of the two differ."""
    place.create_topics(_PREFIX)
    with step(shown, "drawing clicks", amount.clicks / _DRAW_PER_S):
        clicks = draw_clicks(amount.clicks, amount.seed)
    started_ms = now_ms()
    worker = _decide(place, clicks, amount.per_s, shown)
    names = "once", "again"
    runs = [_run(place, name, started_ms, amount.clicks, shown) for name in names]
    with step(shown, "comparing", 2 * amount.clicks / COMPARE_PER_S):
        unequal = differing(place, *(shadow_topic(_PREFIX, name) for name in names))
    return {
        "clicks": amount.clicks, "sent_per_s": amount.per_s, "seed": amount.seed, "worker": worker, "runs": runs,
        "differing": unequal,
    }  # fmt: skip


def _decide(place: Deployment, clicks: list[Click], per_s: float | None, shown: Progress) -> Spent:
    """All clicks decided by the shipped worker."""
    topic = _PREFIX + Topic.CLICKS
    if per_s is None:
        fill(place.kafka, topic, clicks, place.partitions)
        return run_worker(place, _PREFIX, len(clicks), shown)
    what = f"live, {len(clicks):,} clicks"
    with (
        closing(Watch(place.kafka, _PREFIX + Topic.DECISIONS, place.partitions)) as watch,
        place.worker(_PREFIX) as worker,
        ThreadPoolExecutor(1) as pool,
        step(shown, what, len(clicks) / per_s) as turn,
    ):
        worker.wait_ready()
        sent = pool.submit(fill, place.kafka, topic, paced(clicks, per_s), place.partitions, _LIVE_LINGER_MS)
        clocks = {"process": worker.cpu_s, **place.server_clocks()}
        marks = watch.until(len(clicks), worker, clocks, _LIMIT_S, turn)
        sent.result()
    return spent(*marks)


def _run(place: Deployment, replay_id: str, from_ms: int, clicks: int, shown: Progress) -> Run:
    planned(place, _PREFIX, from_ms, replay_id, recompute=True)
    child = replaying(place, _PREFIX, replay_id, "--json", *UNLIMITED)
    started_s = time.monotonic()
    with child, step(shown, f"recomputing, {clicks:,} clicks", clicks / _RECOMPUTE_PER_S) as turn:
        child.wait(_LIMIT_S, turn)
    seconds = time.monotonic() - started_s
    outcome = msgspec.json.decode(child.log.read_bytes().splitlines()[-1], type=Outcome)
    assert outcome.agreement is not None, child.log.read_text()
    return Run(round(seconds, 1), round(clicks / seconds, 1), round(1e6 * child.cpu_s() / clicks, 1), outcome.agreement)
