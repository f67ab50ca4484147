"""What is confirmed is in Kafka: under its key, with its own time."""

import msgspec
import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME
from confluent_kafka.admin import AdminClient, NewTopic

from contracts.errors import Misconfigured, Refused, Unavailable
from contracts.events import Click, Purchase
from contracts.topics import Topic
from tests.builders import START_MS, click, purchase
from tests.traffic.conftest import ReadTopic
from traffic.publish import Publisher

DAY_MS = 86_400_000


def test_events_stand_under_their_account_with_their_own_time(
    kafka_config: dict[str, str], traffic_prefix: str, read_topic: ReadTopic
) -> None:
    guest = click(click_id="c2", user_id=None, session_id="s2", clicked_at_ms=START_MS + 5)
    events = [click(), guest, purchase(user_id=None, session_id="s2", purchased_at_ms=START_MS + 9)]
    publisher = Publisher(kafka_config, traffic_prefix)

    for event in events:
        publisher.send(event)
    publisher.confirm()

    clicks, purchases = read_topic(Topic.CLICKS), read_topic(Topic.PURCHASES)
    assert {(m.key(), m.timestamp()) for m in clicks} == {
        (b"user-1", (TIMESTAMP_CREATE_TIME, START_MS)),
        (b"s2", (TIMESTAMP_CREATE_TIME, START_MS + 5)),
    }
    assert [(m.key(), m.timestamp()[1]) for m in purchases] == [(b"s2", START_MS + 9)]
    assert guest in [msgspec.json.decode(m.value() or b"", type=Click) for m in clicks]
    assert msgspec.json.decode(purchases[0].value() or b"", type=Purchase) == events[2]
    assert (publisher.clicks, publisher.purchases) == (2, 1)


def test_an_account_keeps_its_partition_and_its_order(
    kafka_config: dict[str, str], traffic_prefix: str, read_topic: ReadTopic
) -> None:
    publisher = Publisher(kafka_config, traffic_prefix)
    for number in range(600):
        publisher.send(click(click_id=f"{number:03}", user_id=f"u{number % 20}"))
    publisher.confirm()

    records = read_topic(Topic.CLICKS)

    places: dict[bytes | None, list[tuple[int | None, str]]] = {}
    for record in records:
        found = msgspec.json.decode(record.value() or b"", type=Click)
        places.setdefault(record.key(), []).append((record.partition(), found.click_id))
    assert len(places) == 20
    assert all(len({partition for partition, _ in found}) == 1 for found in places.values())
    assert all(found == sorted(found) for found in places.values())
    assert len({found[0][0] for found in places.values()}) == 3


def test_a_topic_that_does_not_exist_is_told_before_anything_is_sent(
    kafka_config: dict[str, str], topic_prefix: str
) -> None:
    with pytest.raises(Misconfigured, match=f"no topic {topic_prefix}clicks. Create it"):
        Publisher(kafka_config, topic_prefix)


def test_a_server_that_is_not_there_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traffic.publish.PATIENCE_S", 0.5)

    with pytest.raises(Unavailable, match="Check its brokers"):
        Publisher({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})


def test_an_event_that_kafka_refuses_is_not_confirmed(kafka_config: dict[str, str], traffic_prefix: str) -> None:
    publisher = Publisher(kafka_config, traffic_prefix)
    # Kafka takes no record from more than an hour ahead of its clock.
    publisher.send(click(clicked_at_ms=4_000_000_000_000))

    with pytest.raises(Unavailable, match=r"1 events could not be delivered.*INVALID_TIMESTAMP"):
        publisher.confirm()


def test_clicks_older_than_the_topic_keeps_are_refused_with_the_way_out(
    kafka_config: dict[str, str], topic_prefix: str
) -> None:
    admin = AdminClient(kafka_config)
    week = {"retention.ms": str(7 * DAY_MS)}
    made = admin.create_topics([NewTopic(topic_prefix + name, 1, 1, config=week) for name in ("clicks", "purchases")])
    for future in made.values():
        future.result()
    publisher = Publisher(kafka_config, topic_prefix)

    with pytest.raises(Refused, match=r"10 days old and .*clicks keeps records for 7 days.*--keep-forever"):
        publisher.refuse_expired(START_MS, now_ms=START_MS + 10 * DAY_MS)

    publisher.refuse_expired(START_MS, now_ms=START_MS + 6 * DAY_MS)


def test_topics_that_keep_records_for_ever_take_clicks_of_any_age(
    kafka_config: dict[str, str], traffic_prefix: str
) -> None:
    publisher = Publisher(kafka_config, traffic_prefix)

    publisher.refuse_expired(START_MS, now_ms=START_MS + 4000 * DAY_MS)

    assert publisher.clicks == 0
