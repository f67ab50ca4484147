"""Tails and history, read from a real Kafka."""

import asyncio
from collections.abc import Callable, Iterable, Iterator

import msgspec
import pytest
from confluent_kafka import Producer

from contracts.errors import Misconfigured, Unavailable
from contracts.feature_log import CLICKS_TOPIC_ID_HEADER, FIRST_OFFSET_HEADER, LAST_OFFSET_HEADER
from contracts.topics import Topic, topic_name
from slidr.servers import KafkaServer
from streams.history import LOOKBACK_MS, ClickHistory
from streams.lane import StartPoint, Tails
from streams.start_points import StartPoints
from streams.topic_admin import create_topics
from tests.builders import START_MS, decision
from tests.conftest import WaitUntil

TOPIC_ID = "the-topic-id"

Find = Callable[[], StartPoint]


class Log:
    """One partition of each topic of a deployment."""

    def __init__(self, config: dict[str, str], prefix: str) -> None:
        self.config = config
        self.prefix = prefix
        self._producer = Producer({**config, "enable.idempotence": True})

    def name(self, topic: Topic) -> str:
        return topic_name(topic, self.prefix)

    def clicks(self, count: int, step_ms: int = 1) -> None:
        for number in range(count):
            self._producer.produce(self.name(Topic.CLICKS), b"{}", partition=0, timestamp=START_MS + number * step_ms)
        assert self._producer.flush(30) == 0

    def decisions(self, offsets: Iterable[int], run: str = "live") -> None:
        for offset in offsets:
            value = msgspec.json.encode(decision(source_offset=offset, run=run))
            self._producer.produce(self.name(Topic.DECISIONS), value, partition=0)
        assert self._producer.flush(30) == 0

    def rows(self, first: int, last: int, topic_id: str = TOPIC_ID) -> None:
        headers = [
            (FIRST_OFFSET_HEADER, str(first)),
            (LAST_OFFSET_HEADER, str(last)),
            (CLICKS_TOPIC_ID_HEADER, topic_id),
        ]
        self._producer.produce(self.name(Topic.FEATURE_LOG), b"rows", partition=0, headers=headers)
        assert self._producer.flush(30) == 0

    def dead_letter(self, offset: int) -> None:
        headers = [("source-offset", str(offset))]
        self._producer.produce(self.name(Topic.DEAD_LETTERS), b"?", partition=0, headers=headers)
        assert self._producer.flush(30) == 0


@pytest.fixture
def log(kafka: KafkaServer, topic_prefix: str) -> Log:
    config = {"bootstrap.servers": kafka.bootstrap_servers}
    create_topics(config, topic_prefix, 1, keep_forever=True)
    return Log(config, topic_prefix)


@pytest.fixture
def start_points(log: Log) -> Iterator[StartPoints]:
    points = StartPoints(log.config, log.prefix, f"{log.prefix}workers", TOPIC_ID)
    yield points
    points.close()


@pytest.fixture
def find(start_points: StartPoints, wait_until: WaitUntil) -> Find:
    """As a worker asks: again, while a Kafka that has just started does not answer for groups yet."""

    def find() -> StartPoint:
        found: list[StartPoint] = []

        def answers() -> bool:
            try:
                found.append(start_points.find(0))
            except Unavailable:
                return False
            return True

        wait_until(answers)
        return found[0]

    return find


def test_a_new_deployment_starts_at_the_beginning(log: Log, find: Find) -> None:
    log.clicks(5)

    assert find()[1:] == (0, Tails(-1, -1, -1))


def test_the_lowest_of_decisions_and_feature_log_says_where_to_go_on(log: Log, find: Find) -> None:
    log.clicks(50)
    log.decisions(range(40))
    log.rows(0, 15)
    log.rows(16, 31)
    log.dead_letter(33)

    assert find()[1:] == (32, Tails(39, 31, 33))


def test_late_repetitions_of_a_zombie_and_corrections_do_not_hide_the_tail(log: Log, find: Find) -> None:
    log.clicks(50)
    log.decisions(range(40))
    log.decisions(range(20, 30))
    log.decisions(range(10), run="replay-7")
    log.rows(0, 39)
    log.rows(20, 29)

    assert find()[1:] == (40, Tails(39, 39, -1))


def test_a_feature_log_of_another_clicks_topic_is_refused(log: Log, find: Find) -> None:
    log.clicks(50)
    log.decisions(range(5))
    log.rows(0, 4, topic_id="another")

    with pytest.raises(Misconfigured, match="recreated"):
        find()


def test_outputs_beyond_the_end_of_clicks_are_refused(log: Log, find: Find) -> None:
    log.clicks(3)
    log.decisions(range(9))
    log.rows(0, 8)

    with pytest.raises(Misconfigured, match="ends at 2"):
        find()


def test_history_goes_back_as_far_as_a_state_reaches(log: Log) -> None:
    log.clicks(80, step_ms=3_600_000)
    history = ClickHistory(log.config, log.name(Topic.CLICKS))

    async def read() -> tuple[int | None, int | None, list[int]]:
        back = await history.first_offset(0, None, 70)
        named = await history.first_offset(0, 12, 70)
        offsets = [record.offset() async for part in history.read(0, 60, 70, 4) for record in part]
        return back, named, offsets

    # An hour between clicks: the first one within reach of the click at 70.
    expected = 70 - LOOKBACK_MS // 3_600_000
    assert asyncio.run(read()) == (expected, 12, list(range(60, 71)))


def test_history_of_nothing_is_nothing(log: Log) -> None:
    log.clicks(1)
    history = ClickHistory(log.config, log.name(Topic.CLICKS))

    assert asyncio.run(history.first_offset(0, None, -1)) is None
