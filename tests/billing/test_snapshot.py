"""Reconciliation of the real topics: what `clicks` holds against what `decisions` says."""

import msgspec
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from billing.conservation import Counts
from billing.snapshot import reconcile
from tests.billing.conftest import WaitUntil, WriteDecisions
from tests.builders import click, decision


def test_every_kind_of_departure_is_found_in_the_topics(
    kafka_config: dict[str, str], decisions_topic: str, write_decisions: WriteDecisions, wait_until: WaitUntil
) -> None:
    prefix = decisions_topic.removesuffix("decisions")
    admin = AdminClient(kafka_config)
    admin.create_topics([NewTopic(f"{prefix}clicks", 3, 1)])[f"{prefix}clicks"].result()
    wait_until(lambda: admin.list_topics(f"{prefix}clicks").topics[f"{prefix}clicks"].error is None)
    producer = Producer({**kafka_config, "enable.idempotence": True})
    good = [msgspec.json.encode(click(click_id=click_id)) for click_id in ("a", "b", "a", "c")]
    bad = [b"", b"{", b"\xff", good[0].replace(b"250000", b"-1"), b"[" * 5000]
    for value in [*good, *bad]:
        producer.produce(f"{prefix}clicks", value, partition=1)
    producer.flush()
    decided = [decision(click_id=i, source_partition=1, source_offset=o) for o, i in enumerate(["a", "b", "a"])]
    on_a_bad_record = decision(click_id="x", source_partition=1, source_offset=5)
    write_decisions([*decided, decided[1], on_a_bad_record])

    found = reconcile(kafka_config, prefix)

    expected = Counts(clicks=4, decisions=3, missing=1, duplicates=1, repeated_click_ids=1, unexpected=1)
    assert found.partitions == {1: expected}
    assert (found.missing_places, found.unexpected_places) == ([(1, 3)], [(1, 5)])
