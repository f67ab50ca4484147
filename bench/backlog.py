"""Throughput on a backlog: the shipped worker against a loop that only copies records, and the usual ways.

All run on the same servers in the same run, one after another. The usual ways decide fewer clicks of the same traffic:
they would take half an hour each for all.
"""

from pathlib import Path
from typing import Any, NamedTuple

from rich.progress import Progress

from bench.clicks import draw_clicks, fill
from bench.deployment import Deployment
from bench.process import Child
from bench.progress import step
from bench.usual_ways import FAUST, OTHERS, Servers, Way
from bench.watch import Spent, Watch, spent
from contracts.topics import Topic

BACKLOG_LINGER_MS = 5
LIMIT_S = 900.0
# To say when a step will end: a guess at the rates, lower than what is usual.
_DRAW_PER_S, _BARE_PER_S, _WORKER_PER_S = 25_000, 60_000, 12_000
_START_S = 6.0


class Backlog(NamedTuple):
    """How much is decided: by the worker and the bare loop, and by each usual way (0 leaves them out)."""

    clicks: int
    usual_clicks: int
    seed: int
    others: bool = False

    @property
    def ways(self) -> tuple[Way, ...]:
        """The usual ways to measure: Faust's, and the other engines' where asked for."""
        return (FAUST, *(OTHERS if self.others else ())) if self.usual_clicks else ()


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
    for way in backlog.ways:
        usual = run_usual(place, way, backlog.usual_clicks, shown)
        found |= {way.key: usual, f"worker_to_{way.key}": round(worker.per_s / usual.per_s, 1)}
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


def run_usual(place: Deployment, way: Way, clicks: int, shown: Progress) -> Spent:
    """The same job as most would write it, in a Redis database of its own: see `bench/usual_*.py`."""
    place.create_topics(f"{way.key}-")
    servers = Servers(place.kafka["bootstrap.servers"], place.servers.redis.url, Path(place.models_uri) / place.release)
    decisions = f"{way.key}-{Topic.DECISIONS}"
    child = way.process(servers, f"usual-{Topic.CLICKS}", decisions, place.folder)
    return _until_done(place, child, decisions, clicks, shown, way.guess_per_s, way.pause_s)


def _until_done(
    place: Deployment,
    child: Child,
    topic: str,
    records: int,
    shown: Progress,
    guess_per_s: float,
    pause_s: float = 0.0,
) -> Spent:
    watch = Watch(place.kafka, topic, place.partitions)
    try:
        with child, step(shown, f"{child.module}, {records:,} clicks", _START_S + records / guess_per_s) as turn:
            clocks = {"process": child.cpu_s, **place.server_clocks()}
            return spent(*watch.until(records, child, clocks, LIMIT_S, turn, pause_s))
    finally:
        watch.close()
