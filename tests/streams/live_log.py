"""A feature log, purchases and a release log on a real Kafka, written as workers and shops write them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from confluent_kafka import Producer

from contracts import feature_log
from contracts.events import Decision, Purchase, ReleaseAction, ReleaseEvent, Verdict
from contracts.features import FEATURE_IDS
from contracts.topics import Topic, topic_name
from streams.release_admin import ReleaseLog
from tests.builders import START_MS, decision

STABLE, ACTIVE = "stable", "active"
PARTITIONS = 2
CLICKS_PER_S = 40
ROBOTS_EVERY = 5
# Whether the release in force holds the click with this number, in this slice, invalid.
Judges = Callable[[int, str], bool]


def sound(number: int, slice_: str) -> bool:
    """Robots, every fifth click."""
    return number % ROBOTS_EVERY == 0


def invalidating_half_of_mobile(number: int, slice_: str) -> bool:
    """Robots, and every other click on a mobile."""
    return sound(number, slice_) or (slice_ == "mobile|user" and number % 2 == 0)


@dataclass
class LiveLog:
    """Time goes on by the seconds of clicks that are written."""

    kafka: dict[str, str]
    prefix: str
    at_ms: int = START_MS
    clicks: int = 0
    _offsets: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), 0))

    def name(self, topic: Topic) -> str:
        """Name with prefix."""
        return topic_name(topic, self.prefix)

    @property
    def releases(self) -> ReleaseLog:
        """The release log; `stable` is active before any event."""
        return ReleaseLog(self.kafka, self.name(Topic.MODEL_RELEASES), STABLE)

    def decide(self, seconds: int, version: str, judges: Judges = sound, shadow: str | None = None) -> None:
        """Write so many seconds of clicks, a batch a second and partition; the shadow is sound."""
        with Writing(self.kafka) as producer:
            for _ in range(seconds):
                for partition in range(PARTITIONS):
                    self.write(producer, partition, self._second(partition, version, judges), shadow)
                self.at_ms += 1000

    def write(
        self, producer: Producer, partition: int, decisions: Sequence[Decision], shadow: str | None = None
    ) -> None:
        """One batch of the feature log."""
        n = len(decisions)
        verdicts: list[Verdict] = ["invalid" if _robot(one) else "valid" for one in decisions]
        headers = {
            feature_log.SCHEMA_HEADER: feature_log.schema_id(),
            feature_log.CLICKS_TOPIC_ID_HEADER: "topic-1",
            **({feature_log.SHADOW_HEADER: shadow} if shadow else {}),
        }
        body = feature_log.encode(
            decisions,
            np.zeros((n, len(FEATURE_IDS)), np.float32),
            [bytes(16)] * n,
            np.array([9 if _robot(one) else 1 for one in decisions], np.float32),
            [0] * n,
            ([0.5] * n, verdicts) if shadow else None,
        )
        producer.produce(self.name(Topic.FEATURE_LOG), body, partition=partition, headers=headers)

    def buy(self, *click_ids: str | None) -> None:
        """Write purchases now, each naming a click or none."""
        with Writing(self.kafka) as producer:
            for number, click_id in enumerate(click_ids):
                bought = Purchase(f"purchase-{self.at_ms}-{number}", self.at_ms, 1, "EUR", "user-1", None, click_id)
                producer.produce(self.name(Topic.PURCHASES), msgspec.json.encode(bought))

    def announce(self, action: ReleaseAction, version: str, replaces: int) -> int:
        """Write a release event that takes effect."""
        return self.releases.append(ReleaseEvent(action, version, replaces, START_MS, "dana", "a test"))

    def _second(self, partition: int, version: str, judges: Judges) -> list[Decision]:
        made = []
        for place in range(CLICKS_PER_S // PARTITIONS):
            number, slice_ = self.clicks, "mobile|user" if self.clicks // 2 % 2 else "desktop|user"
            made.append(
                decision(
                    click_id=f"click-{number}",
                    clicked_at_ms=self.at_ms + place * 1000 * PARTITIONS // CLICKS_PER_S,
                    verdict="invalid" if judges(number, slice_) else "valid",
                    slice=slice_,
                    model_version=version,
                    source_partition=partition,
                    source_offset=self._offsets[partition],
                )
            )
            self.clicks += 1
            self._offsets[partition] += 1
        return made


def _robot(made: Decision) -> bool:
    return sound(int(made.click_id.removeprefix("click-")), made.slice)


class Writing:
    """A producer whose records stand at the end."""

    def __init__(self, kafka: dict[str, str]) -> None:
        self._producer = Producer({**kafka, "linger.ms": 5, "enable.idempotence": True})

    def __enter__(self) -> Producer:
        return self._producer

    def __exit__(self, *_: object) -> None:
        assert self._producer.flush(30) == 0
