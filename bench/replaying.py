"""A replay of what a worker has decided: its rate beside the worker's, its bytes, and what it does to live latency.

    backlog ──► worker ──► decisions ─┐
                   └─► feature-log ──► replay, same release ──► shadow topic        equal, record by record?

Then the worker decides live clicks, by itself and with a replay of that backlog beside it, at the default limit.
"""

import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec
from confluent_kafka import Consumer
from msgspec.structs import replace
from rich.progress import Progress

from bench.backlog import run_worker
from bench.clicks import draw_clicks, fill
from bench.deployment import Deployment
from bench.latency import Load, measure_worker
from bench.process import Child
from bench.progress import step
from bench.watch import Spent, Watch, spent
from billing.log import Stretch, open_consumer
from contracts.errors import Unavailable
from contracts.events import Decision
from contracts.replay import SHADOW_TOPIC, Selection
from contracts.topics import Topic
from replay.plan import Plan
from replay.planning import Wish, make_plan
from replay.plans import Plans
from replay.reading import read_stretch
from replay.releases import Releases

UNLIMITED_CLICKS_PER_S: Final = 10_000_000
_LIMIT_S: Final = 900.0
_DRAW_PER_S, _REPLAY_PER_S, _COMPARE_PER_S = 25_000, 40_000, 60_000
_PREFIX: Final = "replayed-"
_decode = msgspec.json.Decoder(Decision).decode
_encode = msgspec.json.Encoder().encode


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
    started_ms = _now_ms()
    worker = run_worker(place, _PREFIX, amount.clicks, shown)
    plan = _planned(place, started_ms, "rescored")
    replay = _run(place, plan, amount.clicks, shown)
    with step(shown, "comparing", 2 * amount.clicks / _COMPARE_PER_S):
        differing = _differing(place, plan)
    found: dict[str, Any] = {
        "clicks": amount.clicks, "seed": amount.seed, "worker": worker, "replay": replay,
        "replay_to_worker": round(replay.per_s / worker.per_s, 2), "differing": differing,
    }  # fmt: skip
    if amount.live is not None:
        found["alone"] = measure_worker(place, amount.live, shown)
        found["beside_a_replay"] = _beside(place, amount.live, _planned(place, started_ms, "beside"), shown)
    return found


def _planned(place: Deployment, from_ms: int, replay_id: str) -> Plan:
    wish = Wish(from_ms, None, Selection(), place.release)
    plan = make_plan(place.kafka, _PREFIX, Releases(place.models_uri), wish, replay_id, _now_ms(), str)
    Plans(str(place.folder / "replays")).save(plan)
    return plan


def _replaying(place: Deployment, plan: Plan, *options: str) -> Child:
    """`slidr replay run` as a process of its own, not started yet."""
    environment = {
        **place.servers.environment("a replay needs no key"),
        "SLIDR_TOPIC_PREFIX": _PREFIX,
        "SLIDR_MODELS_URI": place.models_uri,
        "SLIDR_REPLAYS_URI": str(place.folder / "replays"),
    }
    arguments = ["replay", "run", plan.id, "--local", *options]
    return Child("slidr", arguments, environment, place.folder / f"{plan.id}.log")


def _run(place: Deployment, plan: Plan, records: int, shown: Progress) -> Spent:
    """From the first record of the replay to the last; what it needs to start is not counted, as of the worker."""
    child = _replaying(place, plan, "--clicks-per-s", str(UNLIMITED_CLICKS_PER_S))
    clocks = {"process": child.cpu_s, **place.server_clocks()}
    with child, step(shown, f"replay, {records:,} clicks", records / _REPLAY_PER_S) as turn:
        watch = Watch(place.kafka, _shadow(plan), place.partitions)
        try:
            marks = watch.until(records, child, clocks, _LIMIT_S, turn)
        finally:
            watch.close()
        child.wait(_LIMIT_S, turn)
    return spent(*marks)


def _beside(place: Deployment, live: Load, plan: Plan, shown: Progress) -> dict[str, Any]:
    """Live clicks while a replay runs at the default limit; it must last longer than they do."""
    with _replaying(place, plan) as child:
        found = measure_worker(place, live, shown)
        try:
            child.check()
        except Unavailable as error:
            raise Unavailable(
                f"The replay was done before the live clicks were; replay more of them. {error}"
            ) from error
    return found


def _differing(place: Deployment, plan: Plan) -> int:
    """Records that are not the worker's byte for byte, apart from run, revision and the time of the decision."""
    found = 0
    for partition in plan.job.spans:
        was = decided(place, _PREFIX + Topic.DECISIONS, partition)
        found += sum(one != other for one, other in zip(was, decided(place, _shadow(plan), partition), strict=True))
    return found


def decided(place: Deployment, topic: str, partition: int) -> Iterator[bytes]:
    """Decisions of a partition in log order, without run, revision and the time of the decision."""
    consumer: Consumer = open_consumer(place.kafka)
    try:
        ends = Watch(place.kafka, topic, place.partitions)
        stretch = Stretch(0, ends.ends()[partition])
        ends.close()
        for records in read_stretch(consumer, topic, partition, stretch):
            for record in records:
                yield _encode(replace(_decode(record.value() or b""), run="", revision=0, decided_at_ms=0))
    finally:
        consumer.close()


def _shadow(plan: Plan) -> str:
    return f"{_PREFIX}{SHADOW_TOPIC}{plan.id}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
