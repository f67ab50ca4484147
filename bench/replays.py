"""What benchmarks of replays have in common: a plan over what a worker has decided, its run, and a comparison."""

import time
from collections.abc import Iterator
from typing import Final

import msgspec
from confluent_kafka import Consumer
from msgspec.structs import replace

from bench.deployment import ENTITY_KEY, Deployment
from bench.process import Child
from bench.watch import Watch
from billing.log import Stretch, open_consumer
from contracts.events import Decision
from contracts.replay import SHADOW_TOPIC, Selection
from replay.plan import Plan
from replay.planning import Wish, make_plan
from replay.plans import Plans
from replay.reading import read_stretch
from replay.releases import Releases

UNLIMITED: Final = ("--clicks-per-s", "10000000")
COMPARE_PER_S: Final = 60_000
_decode = msgspec.json.Decoder(Decision).decode
_encode = msgspec.json.Encoder().encode


def planned(place: Deployment, prefix: str, from_ms: int, replay_id: str, *, recompute: bool = False) -> Plan:
    """A plan, saved, over all that was decided since a time by the deployment's release, and by the same release."""
    wish = Wish(from_ms, None, Selection(), place.release, recompute=recompute)
    plan = make_plan(place.kafka, prefix, Releases(place.models_uri), wish, replay_id, now_ms(), str)
    Plans(_replays(place)).save(plan)
    return plan


def replaying(place: Deployment, prefix: str, replay_id: str, *options: str) -> Child:
    """`slidr replay run --local` as a process of its own, not started yet."""
    environment = {
        **place.servers.environment(ENTITY_KEY),
        "SLIDR_TOPIC_PREFIX": prefix,
        "SLIDR_MODELS_URI": place.models_uri,
        "SLIDR_REPLAYS_URI": _replays(place),
    }
    arguments = ["replay", "run", replay_id, "--local", *options]
    return Child("slidr", arguments, environment, place.folder / f"{replay_id}.log")


def shadow_topic(prefix: str, replay_id: str) -> str:
    """Where an unpublished run writes."""
    return f"{prefix}{SHADOW_TOPIC}{replay_id}"


def differing(place: Deployment, one: str, other: str) -> int:
    """Records of two topics that are not the same byte for byte, apart from run, revision and time of the decision."""
    return sum(
        mine != yours
        for partition in range(place.partitions)
        for mine, yours in zip(_decided(place, one, partition), _decided(place, other, partition), strict=True)
    )


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _replays(place: Deployment) -> str:
    return str(place.folder / "replays")


def _decided(place: Deployment, topic: str, partition: int) -> Iterator[bytes]:
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
