"""A deployment that has decided clicks: decisions and feature log as workers write them, by a release of the test's."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from confluent_kafka import Producer
from msgspec.structs import replace

from billing.snapshot import read_all_effective, read_decisions
from contracts import feature_log
from contracts.events import DEVICES, Click, Decision
from contracts.features import FEATURE_IDS, FEATURES
from contracts.topics import Topic, topic_name
from model.export import export
from model.manifest import SLICES, Training, thresholds_json
from model.network import RobotNetwork, probabilities
from model.release import Draft, write_release
from rules.ruleset import RuleSet
from slidr.loading import load_judge
from streams.outputs import live_decisions
from streams.topic_admin import create_topics
from tests.builders import START_MS, click
from tests.model.labelled import fitted

ROWS_PER_RECORD = 50


def write_release_of(models: Path, version: str, seed: int, rules_json: bytes = b"") -> None:
    """A release of a small network with the weights that it was born with; it calls half of the clicks robots."""
    table = features_of(300, seed=1)
    network = RobotNetwork(fitted(table, FEATURE_IDS), seed=seed, hidden=(8, 4))
    onnx = export(network, table, FEATURE_IDS)
    threshold = round(float(np.median(probabilities(network, table))), 6)
    draft = Draft(
        onnx=onnx,
        rules_json=rules_json or RuleSet.default().to_json(),
        calibration_json=thresholds_json(dict.fromkeys(SLICES, threshold)),
        feature_ids=FEATURE_IDS,
        training=Training(START_MS, START_MS + 1, 300, 1),
        metrics={},
        created_at_ms=START_MS,
    )
    write_release(str(models), version, draft)


def features_of(count: int, seed: int) -> Any:
    """Feature vectors (count, F) float32."""
    return np.random.default_rng(seed).lognormal(1, 1, (count, len(FEATURES))).astype(np.float32)


def clicks_of(count: int, step_ms: int = 10) -> list[Click]:
    """Clicks of several slices and advertisers, some of declared robots, in time order."""
    return [
        click(
            click_id=f"c{number}",
            clicked_at_ms=START_MS + number * step_ms,
            device=DEVICES[number % 3],
            logged_in=number % 2 == 0,
            advertiser_id=f"advertiser-{number % 7}",
            campaign_id=f"campaign-{number % 11}",
            ad_id=None if number % 5 else f"ad-{number}",
            cost_micros=1_000 * (1 + number % 13),
            currency="EUR" if number % 4 else "USD",
            user_agent="Googlebot/2.1" if number % 17 == 0 else "Mozilla/5.0 Firefox/128.0",
        )
        for number in range(count)
    ]


class Logged:
    """Topics with a prefix, and what is in them."""

    def __init__(self, bootstrap_servers: str, prefix: str, folder: Path, partitions: int = 2) -> None:
        self.kafka = {"bootstrap.servers": bootstrap_servers}
        self.prefix = prefix
        self.partitions = partitions
        self.folder = folder
        self.models = folder / "models"
        self.environment = {
            "SLIDR_KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "SLIDR_TOPIC_PREFIX": prefix,
            "SLIDR_MODELS_URI": str(self.models),
            "SLIDR_REPLAYS_URI": str(folder / "replays"),
            "SLIDR_ARCHIVE_URI": str(folder / "archive"),
        }
        create_topics(self.kafka, prefix, partitions, keep_forever=True)
        self._producer = Producer({**self.kafka, "enable.idempotence": True, "linger.ms": 5, "log_level": 2})
        self._next = [0] * partitions

    def decide(
        self,
        clicks: Sequence[Click],
        version: str,
        decided_at_ms: int | None = None,
        seed: int = 3,
        change: Callable[[Decision], Decision] = lambda decision: decision,
        in_decisions: bool = True,
    ) -> list[Decision]:
        """Decide clicks, the n-th in partition n modulo partitions, each 2 ms after it was made."""
        judge = load_judge(str(self.models), version)
        made: list[Decision] = []
        for partition in range(self.partitions):
            own = list(clicks[partition :: self.partitions])
            for at in range(0, len(own), ROWS_PER_RECORD):
                part = own[at : at + ROWS_PER_RECORD]
                features = features_of(len(part), seed * 1_000_003 + self._next[partition])
                offsets = range(self._next[partition], self._next[partition] + len(part))
                judged = judge.judge(part, [one.clicked_at_ms for one in part], features)
                decisions = [
                    change(replace(one, decided_at_ms=decided_at_ms or one.clicked_at_ms + 2))
                    for one in live_decisions(part, offsets, partition, judged, version, START_MS)
                ]
                self._next[partition] += len(part)
                if in_decisions:
                    self.write_decisions(decisions)
                self.write_rows(decisions, features)
                made += decisions
        self.flush()
        return made

    def write_decisions(self, decisions: Iterable[Decision]) -> None:
        """To `decisions`, stamped with the time of decision."""
        for one in decisions:
            self._producer.produce(
                topic_name(Topic.DECISIONS, self.prefix), msgspec.json.encode(one), one.click_id, one.source_partition,
                timestamp=one.decided_at_ms,
            )  # fmt: skip

    def write_rows(self, decisions: Sequence[Decision], features: Any, wide: int = len(FEATURE_IDS)) -> None:
        """One record of the feature log, with the first `wide` features, stamped a moment after the last decision."""
        n = len(decisions)
        body = feature_log.encode(decisions, features[:, :wide], [bytes(16)] * n, np.ones(n, np.float32), [0] * n)
        headers: list[tuple[str, str | bytes | None]] = [
            (feature_log.SCHEMA_HEADER, feature_log.schema_id(wide).encode()),
            (feature_log.FIRST_OFFSET_HEADER, str(decisions[0].source_offset).encode()),
            (feature_log.LAST_OFFSET_HEADER, str(decisions[-1].source_offset).encode()),
        ]
        self._producer.produce(
            topic_name(Topic.FEATURE_LOG, self.prefix), body, partition=decisions[0].source_partition, headers=headers,
            timestamp=decisions[-1].decided_at_ms + 1,
        )  # fmt: skip

    def flush(self) -> None:
        """Wait until all is stored."""
        assert self._producer.flush(60) == 0

    def effective(self) -> dict[str, Decision]:
        """The decision in force of each click, as billing reads them."""
        return read_all_effective(self.kafka, self.prefix)

    def records(self, run: str | None = None) -> list[Decision]:
        """All records of `decisions`, of one run."""
        return [one for _, one in read_decisions(self.kafka, self.prefix) if run is None or one.run == run]
