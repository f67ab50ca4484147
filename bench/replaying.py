"""A replay of what a worker has decided: its rate beside the worker's, its bytes, and what it does to live latency.

    backlog ──► worker ──► decisions ─┐
                   └─► feature-log ──► replay, same release ──► shadow topic        equal, record by record?

Then the worker decides live clicks, by itself and with a replay of that backlog beside it, at the default limit.
"""

from typing import Any, Final, NamedTuple

from rich.progress import Progress

from bench.backlog import run_worker
from bench.clicks import draw_clicks, fill
from bench.deployment import Deployment
from bench.latency import Load, measure_worker
from bench.progress import step
from bench.replays import COMPARE_PER_S, UNLIMITED, differing, now_ms, planned, replaying, shadow_topic
from bench.watch import Spent, Watch, spent
from contracts.errors import Unavailable
from contracts.topics import Topic
from replay.plan import Plan

_LIMIT_S: Final = 900.0
_DRAW_PER_S, _REPLAY_PER_S = 25_000, 40_000
_PREFIX: Final = "replayed-"


class Replayed(NamedTuple):
    """How much is decided and replayed, and the live load that a replay must not disturb (None: not measured)."""

    clicks: int
    seed: int
    live: Load | None


def measure_replay(place: Deployment, amount: Replayed, shown: Progress) -> dict[str, Any]:
    """Rates, bytes, and the latency of live clicks with and without a replay beside the worker."""
    place.create_topics(_PREFIX)
    with step(shown, "drawing clicks", amount.clicks / _DRAW_PER_S):
        fill(place.kafka, _PREFIX + Topic.CLICKS, draw_clicks(amount.clicks, amount.seed), place.partitions)
    started_ms = now_ms()
    worker = run_worker(place, _PREFIX, amount.clicks, shown)
    plan = planned(place, _PREFIX, started_ms, "rescored")
    replay = _run(place, plan, amount.clicks, shown)
    with step(shown, "comparing", 2 * amount.clicks / COMPARE_PER_S):
        unequal = differing(place, _PREFIX + Topic.DECISIONS, shadow_topic(_PREFIX, plan.id))
    found: dict[str, Any] = {
        "clicks": amount.clicks, "seed": amount.seed, "worker": worker, "replay": replay,
        "replay_to_worker": round(replay.per_s / worker.per_s, 2), "differing": unequal,
    }  # fmt: skip
    if amount.live is not None:
        found["priority"] = amount.live.priority
        found["alone"] = measure_worker(place, amount.live, shown)
        found["beside_a_replay"] = _beside(place, amount.live, planned(place, _PREFIX, started_ms, "beside"), shown)
    return found


def _run(place: Deployment, plan: Plan, records: int, shown: Progress) -> Spent:
    """From the first record of the replay to the last; what it needs to start is not counted, as of the worker."""
    child = replaying(place, _PREFIX, plan.id, *UNLIMITED)
    clocks = {"process": child.cpu_s, **place.server_clocks()}
    with child, step(shown, f"replay, {records:,} clicks", records / _REPLAY_PER_S) as turn:
        watch = Watch(place.kafka, shadow_topic(_PREFIX, plan.id), place.partitions)
        try:
            marks = watch.until(records, child, clocks, _LIMIT_S, turn)
        finally:
            watch.close()
        child.wait(_LIMIT_S, turn)
    return spent(*marks)


def _beside(place: Deployment, live: Load, plan: Plan, shown: Progress) -> dict[str, Any]:
    """Live clicks while a replay runs at the default limit; it must last longer than they do."""
    with replaying(place, _PREFIX, plan.id) as child:
        found = measure_worker(place, live, shown)
        try:
            child.check()
        except Unavailable as error:
            raise Unavailable(
                f"The replay was done before the live clicks were; replay more of them. {error}"
            ) from error
    return found
