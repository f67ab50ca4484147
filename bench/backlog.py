"""Throughput on a backlog: the shipped worker against a loop that only copies records, and the usual Faust way.

All three run on the same servers in the same run, one after another. The usual way decides fewer clicks of the same
traffic: it would take half an hour for all.
"""

import os
from typing import Any, NamedTuple

from rich.progress import Progress

from bench.clicks import draw_clicks, fill
from bench.deployment import Deployment
from bench.process import Child
from bench.progress import step
from bench.watch import Spent, Watch, spent
from contracts.topics import Topic

BACKLOG_LINGER_MS = 5
LIMIT_S = 900.0
# To say when a step will end: a guess at the rates, lower than what is usual.
_DRAW_PER_S, _BARE_PER_S, _WORKER_PER_S, _USUAL_PER_S = 25_000, 60_000, 12_000, 300
_START_S = 6.0


class Backlog(NamedTuple):
    """How much is decided: by the worker and the bare loop, and by the usual way (0 leaves that out)."""

    clicks: int
    usual_clicks: int
    seed: int


def measure_backlog(place: Deployment, backlog: Backlog, shown: Progress) -> dict[str, Any]:
    """Clicks per second and CPU microseconds per click of each, and the ratios."""
    with step(shown, "drawing clicks", backlog.clicks / _DRAW_PER_S) as turn:
        place.create_topics("")
        place.create_topics("usual-")
        turn()
        clicks = draw_clicks(backlog.clicks, backlog.seed)
        fill(place.kafka, Topic.CLICKS, clicks, place.partitions)
        fill(place.kafka, f"usual-{Topic.CLICKS}", clicks[: backlog.usual_clicks], place.partitions)
    place.create_topics("bare-")
    bare = run_bare(place, "", "bare-", backlog.clicks, shown)
    worker = run_worker(place, "", backlog.clicks, shown)
    found = {"clicks": backlog.clicks, "seed": backlog.seed, "worker": worker, "bare_loop": bare}
    found["worker_to_bare_loop"] = round(worker.per_s / bare.per_s, 3)
    if backlog.usual_clicks:
        usual = run_usual(place, backlog.usual_clicks, shown)
        found |= {"usual_faust": usual, "worker_to_usual_faust": round(worker.per_s / usual.per_s, 1)}
    return found


def run_bare(place: Deployment, prefix: str, target_prefix: str, clicks: int, shown: Progress) -> Spent:
    """The loop that copies `clicks` of one prefix to `decisions` of another."""
    source, target = prefix + Topic.CLICKS, target_prefix + Topic.DECISIONS
    firsts = ",".join("0" * place.partitions)
    arguments = [place.kafka["bootstrap.servers"], source, target, firsts, str(BACKLOG_LINGER_MS)]
    child = place.child("bench.bare_loop", arguments)
    return _until_done(place, child, target, clicks, shown, _BARE_PER_S)


def run_worker(place: Deployment, prefix: str, clicks: int, shown: Progress) -> Spent:
    """The shipped worker, on the topics of one prefix."""
    return _until_done(place, place.worker(prefix), prefix + Topic.DECISIONS, clicks, shown, _WORKER_PER_S)


def run_usual(place: Deployment, clicks: int, shown: Progress) -> Spent:
    """The same job as most would write it: see `bench/usual_faust.py`."""
    child = place.child(
        "bench.usual_faust",
        ["worker", "--without-web"],
        USUAL_KAFKA=f"kafka://{place.kafka['bootstrap.servers']}",
        USUAL_REDIS=place.servers.redis.url,
        USUAL_RELEASE=os.path.join(place.models_uri, place.release),
    )
    return _until_done(place, child, f"usual-{Topic.DECISIONS}", clicks, shown, _USUAL_PER_S)


def _until_done(
    place: Deployment, child: Child, topic: str, records: int, shown: Progress, guess_per_s: float
) -> Spent:
    watch = Watch(place.kafka, topic, place.partitions)
    try:
        with child, step(shown, f"{child.module}, {records:,} clicks", _START_S + records / guess_per_s) as turn:
            clocks = {"process": child.cpu_s, **place.server_clocks()}
            return spent(*watch.until(records, child, clocks, LIMIT_S, turn))
    finally:
        watch.close()
