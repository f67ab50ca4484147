"""What makes the tail: one cause after the other is taken away, and the tail measured again, in turns.

as shipped                   the reference: every round has one
without collections          Python's garbage collector is off in the worker
without a model              the built-in release: rules alone
Redis, worker, both raised   nice -10: whoever has to wait for a processor waits less
Kafka lowered                nice 10 for the broker, which shares the processors

What a cause adds to the tail is what is missing without it. The host's own moods are as large as most causes, so that a
difference counts only if it shows in every round.
"""

from typing import Any, Final, NamedTuple

from msgspec import Struct
from rich.progress import Progress

from bench.deployment import Deployment
from bench.latency import Load, measure_worker
from bench.process import NICE, set_niceness
from bench.quantiles import Quantiles


class Without(NamedTuple):
    """What is different from the shipped worker on its machine."""

    release: str | None = None
    collections: bool = True
    raised: tuple[str, ...] = ()
    kafka_niceness: int = 0


CAUSES: Final = {
    "as shipped": Without(),
    "without collections": Without(collections=False),
    "without a model": Without(release="pass-through"),
    "Redis raised": Without(raised=("redis",)),
    "worker raised": Without(raised=("worker",)),
    "both raised": Without(raised=("worker", "redis")),
    "Kafka lowered": Without(kafka_niceness=-NICE),
}


class Seen(Struct, frozen=True):
    """Milliseconds of one turn: in the worker, in the store's calls, a bare timer's lateness beside them."""

    in_worker: Quantiles
    store: Quantiles
    timer_late: Quantiles
    tail: dict[str, Any]


def measure_causes(
    place: Deployment, clicks_per_s: float, duration_s: float, rounds: int, seed: int, shown: Progress
) -> dict[str, Any]:
    """Every cause in every round, in the same order."""
    load = Load(clicks_per_s, duration_s, "normal", seed, linger_ms=0.5)
    turns: dict[str, list[Seen]] = {name: [] for name in CAUSES}
    for _ in range(rounds):
        for name, without in CAUSES.items():
            turns[name].append(_turn(place, load, without, shown))
    return {"clicks_per_s": clicks_per_s, "duration_s": duration_s, "seed": seed, "causes": turns}


def _turn(place: Deployment, load: Load, without: Without, shown: Progress) -> Seen:
    kafka = place.servers.kafka.pid
    set_niceness(kafka, without.kafka_niceness)
    try:
        found = measure_worker(
            place, load, shown, release=without.release, collections=without.collections, raised=without.raised
        )
    finally:
        set_niceness(kafka, 0)
        set_niceness(place.servers.redis.pid, 0)
    return Seen(
        in_worker=found["in_worker"],
        store=found["feature_store"],
        timer_late=found["timer_late"],
        tail=found["tail"],
    )
