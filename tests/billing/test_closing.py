"""Hours are closed on a real Kafka, whatever a paused worker has written again at the end of the decisions."""

import msgspec
from confluent_kafka import Producer

from billing.closing import Closer, ClosingRule
from contracts.topics import Topic, topic_name
from streams.topic_admin import create_topics
from tests.billing.logs import record
from tests.builders import START_MS, click

CLICKS, LATE = 1_000, 700


def test_late_repetitions_at_the_end_hide_nothing_from_whoever_closes_an_hour(
    kafka_config: dict[str, str], topic_prefix: str
) -> None:
    """
    decisions[0]    0 ... 997 998 | 0 ... 699              999 is not decided yet
    """
    create_topics(kafka_config, topic_prefix, 1, keep_forever=True)
    producer = Producer({**kafka_config, "enable.idempotence": True})
    clicks, decisions = (topic_name(topic, topic_prefix) for topic in (Topic.CLICKS, Topic.DECISIONS))
    for _ in range(CLICKS):
        producer.produce(clicks, msgspec.json.encode(click()))
    for offset in [*range(CLICKS - 1), *range(LATE)]:
        producer.produce(decisions, msgspec.json.encode(record(offset)))
    assert producer.flush(30) == 0
    closer = Closer(kafka_config, topic_prefix, ClosingRule())

    early = closer.step(START_MS)
    producer.produce(decisions, msgspec.json.encode(record(CLICKS - 1)))
    for offset in range(LATE):
        producer.produce(decisions, msgspec.json.encode(record(offset)))
    assert producer.flush(30) == 0
    (marker,) = closer.step(START_MS + 1)
    closer.close()

    assert early == []
    assert (marker.clicks_end, marker.decisions_end) == (CLICKS, CLICKS + 2 * LATE)
