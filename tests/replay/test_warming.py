"""What a recomputation counts: every partition, from the longest window before the range up to its end."""

import msgspec
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from contracts.errors import Refused
from contracts.features import HOUR_MS
from contracts.replay import LogRange, Span
from contracts.topics import Topic, topic_name
from replay.warming import freeze, merged_clicks, refuse_short
from slidr.times import show_time
from tests.builders import START_MS, click
from tests.replay.logged import Logged

HOURS = 120


@pytest.fixture
def hourly(logged: Logged) -> Logged:
    """A click an hour in each of two partitions, for five days; offset n of the second is half an hour later."""
    producer = Producer({**logged.kafka, "enable.idempotence": True})
    for hour in range(HOURS):
        for partition in range(2):
            at_ms = START_MS + hour * HOUR_MS + partition * HOUR_MS // 2
            value = msgspec.json.encode(click(click_id=f"c{partition}-{hour}", clicked_at_ms=at_ms))
            producer.produce(topic_name(Topic.CLICKS, logged.prefix), value, partition=partition, timestamp=at_ms)
    assert producer.flush(60) == 0
    return logged


def span(first: int, end: int) -> Span:
    return Span(first=first, end=end, log_first=0, log_end=0, decisions_first=0, decisions_end=0)


def expire(logged: Logged, partition: int, before: int) -> None:
    """Delete the clicks of a partition before an offset."""
    place = TopicPartition(topic_name(Topic.CLICKS, logged.prefix), partition, before)
    admin = AdminClient(logged.kafka)
    for future in admin.delete_records([place]).values():
        future.result(30)


def test_a_partition_without_a_click_in_the_range_is_counted_over_the_same_time(hourly: Logged) -> None:
    found = freeze(hourly.kafka, hourly.prefix, {0: span(100, 110)})

    # 52 hours and five minutes before 100:00 up to 109:00.
    assert found.clicks == {0: LogRange(48, 110), 1: LogRange(48, 109)}
    assert found.short == []


def test_clicks_come_in_the_order_of_their_times(hourly: Logged) -> None:
    ranges = {0: LogRange(3, 6), 1: LogRange(4, 6)}

    found = [(one.partition, one.record.offset()) for one in merged_clicks(hourly.kafka, hourly.prefix, ranges)]

    assert found == [(0, 3), (0, 4), (1, 4), (0, 5), (1, 5)]


def test_what_has_expired_before_the_range_is_named(hourly: Logged) -> None:
    expire(hourly, 1, 60)

    short = freeze(hourly.kafka, hourly.prefix, {0: span(100, 110)}).short

    with pytest.raises(Refused, match=f"partition 1: before {show_time(START_MS + 60 * HOUR_MS + HOUR_MS // 2)}"):
        refuse_short(short, show_time)
    assert freeze(hourly.kafka, hourly.prefix, {0: span(118, 119)}).short == []


def test_clicks_of_the_range_itself_that_have_expired_are_refused(hourly: Logged) -> None:
    expire(hourly, 0, 101)

    with pytest.raises(Refused, match="from offset 100 up to 110, but Kafka holds 101 up to 120"):
        freeze(hourly.kafka, hourly.prefix, {0: span(100, 110)})


def test_a_topic_that_was_made_anew_is_refused(hourly: Logged) -> None:
    with pytest.raises(Refused, match=f"from offset 100 up to 130, but Kafka holds 0 up to {HOURS}"):
        freeze(hourly.kafka, hourly.prefix, {0: span(100, 130)})


def test_a_plan_whose_clicks_have_expired_since_is_refused(hourly: Logged) -> None:
    frozen = freeze(hourly.kafka, hourly.prefix, {0: span(100, 110)}).clicks
    expire(hourly, 1, 60)

    with pytest.raises(Refused, match="Plan again"):
        list(merged_clicks(hourly.kafka, hourly.prefix, frozen))
