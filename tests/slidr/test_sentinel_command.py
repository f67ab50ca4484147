"""`slidr sentinel` in processes of its own: two of them, killed, stopped, and only looking on."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.events import ReleaseEvent
from contracts.topics import Topic
from slidr.servers import KafkaServer
from streams.sentinel_store import SentinelStore
from streams.topic_admin import create_topics
from tests.conftest import WaitUntil
from tests.processes import SlidrProcess
from tests.streams.live_log import ACTIVE, PARTITIONS, STABLE, LiveLog, invalidating_half_of_mobile


class SentinelProcess:
    """One `slidr sentinel --json`."""

    def __init__(self, log: LiveLog, output: Path, *options: str) -> None:
        self._output = output
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SLIDR_")}
        settings = {
            "SLIDR_KAFKA_BOOTSTRAP_SERVERS": log.kafka["bootstrap.servers"],
            "SLIDR_TOPIC_PREFIX": log.prefix,
            "SLIDR_MODELS_URI": str(output.parent / "models"),
            "SLIDR_RELEASE": STABLE,
            "SLIDR_METRICS_PORT": "0",
        }
        arguments = ("sentinel", "--json", *options)
        self.process = SlidrProcess(arguments, {**environment, **settings}, output, output.with_suffix(".err"))

    def judgements(self) -> list[dict[str, Any]]:
        """What it has printed, whole lines only."""
        assert self.process.returncode in (None, 0, -signal.SIGKILL), f"ended with {self.process.returncode}"
        return [
            msgspec.json.decode(line) for line in self._output.read_bytes().splitlines(True) if line.endswith(b"\n")
        ]

    def judged_to(self, at_ms: int) -> bool:
        """Whether it has judged clicks up to about that time."""
        return any(one["at_ms"] >= at_ms - 2_000 for one in self.judgements())

    def outcomes(self) -> list[str]:
        """What came of its actions."""
        return [one["outcome"] for one in self.judgements() if one["action"]]

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()


Start = Callable[..., SentinelProcess]


@pytest.fixture
def live_log(kafka: KafkaServer, topic_prefix: str) -> LiveLog:
    """Topics without a record."""
    address = {"bootstrap.servers": kafka.bootstrap_servers}
    create_topics(address, topic_prefix, PARTITIONS, keep_forever=True)
    return LiveLog(address, topic_prefix)


@pytest.fixture
def start(live_log: LiveLog, tmp_path: Path) -> Iterator[Start]:
    """`start("--dry-run")`; whatever still runs at the end is killed."""
    started: list[SentinelProcess] = []

    def starting(*options: str) -> SentinelProcess:
        started.append(SentinelProcess(live_log, tmp_path / f"sentinel-{len(started)}.jsonl", *options))
        return started[-1]

    yield starting
    for one in started:
        one.kill()


def events(log: LiveLog) -> list[ReleaseEvent]:
    """Events that took effect."""
    return [entry.event for entry in log.releases.history() if entry.effective]


def test_two_sentinels_roll_back_once_what_a_third_one_only_reports(
    live_log: LiveLog, start: Start, wait_until: WaitUntil
) -> None:
    dry = start("--dry-run")
    live_log.decide(900, STABLE)
    wait_until(lambda: dry.judged_to(live_log.at_ms))
    live_log.announce("promote", ACTIVE, -1)
    promoted_ms = live_log.at_ms
    live_log.decide(60, ACTIVE, invalidating_half_of_mobile, shadow=STABLE)
    wait_until(dry.outcomes)
    assert len(events(live_log)) == 1

    watching = [start(), start()]
    wait_until(lambda: len(events(live_log)) == 2 and all(one.judgements() for one in watching))
    codes = [one.stop() for one in (*watching, dry)]

    assert codes == [0, 0, 0]
    _, rollback = events(live_log)
    assert (rollback.action, rollback.version, rollback.by) == ("rollback", STABLE, "sentinel")
    assert "mobile|user: active makes" in rollback.reason
    written = [outcome for one in watching for outcome in one.outcomes() if outcome.startswith("rollback")]
    assert written == [f"rollback {STABLE} is event 1"]
    assert set(dry.outcomes()) == {f"dry run: rollback {STABLE} was not written"}
    acted = [one for process in watching for one in process.judgements() if one["action"]]
    assert all(0 < one["at_ms"] - promoted_ms <= 60_000 for one in acted)
    assert SentinelStore(live_log.kafka, live_log.name(Topic.SENTINEL_STATE)).load() is not None


def test_a_sentinel_that_was_killed_goes_on_and_rolls_back(
    live_log: LiveLog, start: Start, wait_until: WaitUntil
) -> None:
    store = SentinelStore(live_log.kafka, live_log.name(Topic.SENTINEL_STATE))
    first = start()
    live_log.decide(900, STABLE)
    wait_until(lambda: first.judged_to(live_log.at_ms))
    wait_until(lambda: (saved := store.load()) and sum(saved.feature_log.values()) == 2 * 900)
    live_log.announce("promote", ACTIVE, -1)
    live_log.decide(5, ACTIVE, invalidating_half_of_mobile, shadow=STABLE)
    first.kill()
    live_log.decide(55, ACTIVE, invalidating_half_of_mobile, shadow=STABLE)

    second = start()
    wait_until(lambda: len(events(live_log)) == 2)
    wait_until(second.outcomes)

    assert second.stop() == 0
    assert events(live_log)[1].version == STABLE
    saved = store.load()
    assert saved is not None
    assert sum(sum(slices.values()) for slices in saved.state.volumes.values()) == live_log.clicks
