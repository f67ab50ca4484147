"""The log of releases on a real Kafka: of events written at once exactly one takes effect, the others are told."""

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from confluent_kafka import Producer

from contracts.errors import Misconfigured, Refused, Unavailable
from contracts.events import ReleaseEvent
from contracts.topics import Topic, topic_name
from slidr.servers import KafkaServer
from slidr.servers.process import free_port
from streams import release_admin
from streams.release_admin import ReleaseLog
from streams.release_log import InForce, in_force
from streams.topic_admin import create_topics
from tests.builders import START_MS


def promote(version: str, replaces: int, by: str = "dana") -> ReleaseEvent:
    return ReleaseEvent("promote", version, replaces, START_MS, by, "a test")


@pytest.fixture
def topic(kafka: KafkaServer, topic_prefix: str) -> str:
    create_topics({"bootstrap.servers": kafka.bootstrap_servers}, topic_prefix, 1)
    return topic_name(Topic.MODEL_RELEASES, topic_prefix)


@pytest.fixture
def log(kafka: KafkaServer, topic: str) -> ReleaseLog:
    return ReleaseLog({"bootstrap.servers": kafka.bootstrap_servers}, topic, "pass-through")


def test_an_event_is_in_the_history_when_append_returns(log: ReleaseLog) -> None:
    assert log.history() == []

    first, second = log.append(promote("a", -1)), log.append(promote("b", 0))

    assert (first, second) == (0, 1)
    assert [(entry.event.version, entry.effective) for entry in log.history()] == [("a", True), ("b", True)]
    assert in_force(log.history(), "pass-through") == InForce("b", "a", 1)


def test_of_many_promotions_at_once_one_wins_and_each_loser_is_told_who_was_first(log: ReleaseLog) -> None:
    def race(number: int) -> str:
        try:
            log.append(promote(f"v{number}", -1, by=f"person-{number}"))
        except Refused as error:
            return str(error)
        return "won"

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(race, range(6)))

    assert outcomes.count("won") == 1
    winner = outcomes.index("won")
    for number, told in enumerate(outcomes):
        assert number == winner or f"person-{winner} was first with event 0: promote v{winner}" in told
    effective = [entry.event.version for entry in log.history() if entry.effective]
    assert effective == [f"v{winner}"]
    assert len(log.history()) == 6


def test_an_event_that_replaces_what_was_never_in_force_is_refused(log: ReleaseLog) -> None:
    with pytest.raises(Refused, match="event 7, which it replaces, was never in force"):
        log.append(promote("a", 7))


def test_a_record_that_is_no_event_is_left_out(kafka: KafkaServer, topic: str, log: ReleaseLog) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for value in (b"no event", b"", b"\xff", msgspec.json.encode(promote("a", -1))):
        producer.produce(topic, value)
    assert producer.flush(30) == 0

    assert [(entry.offset, entry.effective) for entry in log.history()] == [(3, True)]


def test_a_missing_topic_is_for_an_operator(kafka: KafkaServer) -> None:
    with pytest.raises(Misconfigured, match="nowhere-model-releases"):
        ReleaseLog({"bootstrap.servers": kafka.bootstrap_servers}, "nowhere-model-releases", "a").history()


def test_without_kafka_it_is_said_that_the_event_may_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_admin, "WRITE_S", 0.2)
    nowhere = ReleaseLog({"bootstrap.servers": f"127.0.0.1:{free_port()}", "log_level": 0}, "model-releases", "a")

    with pytest.raises(Unavailable, match="not known whether the event stands"):
        nowhere.append(promote("a", -1))
