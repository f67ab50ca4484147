"""The Kafka reader: restarts, starts in the middle, positions that no longer fit."""

from collections.abc import Iterable
from contextlib import closing

import msgspec
import pytest
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from billing.log import open_consumer, patiently, whole_log
from billing.reader import Batch, BillingReader, Positions
from billing.snapshot import read_all_effective
from contracts.errors import BadInput, Misconfigured, Unavailable
from contracts.events import Decision
from tests.billing.conftest import WaitUntil, WriteDecisions
from tests.builders import decision


def live(offsets: Iterable[int], partition: int = 0) -> list[Decision]:
    return [
        decision(click_id=f"{partition}-{offset}", source_partition=partition, source_offset=offset)
        for offset in offsets
    ]


def correction(offset: int, revision: int) -> Decision:
    return decision(click_id=f"0-{offset}", source_offset=offset, run=f"r{revision}", revision=revision)


def ids(batches: Iterable[Batch]) -> list[str]:
    return [found.click_id for batch in batches for found in batch.decisions]


def test_every_partition_is_read_to_its_end_without_the_duplicates(
    kafka_config: dict[str, str], decisions_topic: str, write_decisions: WriteDecisions
) -> None:
    write_decisions([*live([0, 1, 2, 1, 2, 3]), *live([5, 6, 5], partition=2)])

    with BillingReader(kafka_config, decisions_topic) as reader:
        batches = list(reader.batches(until_end=True))

    assert sorted(ids(batches)) == ["0-0", "0-1", "0-2", "0-3", "2-5", "2-6"]
    assert sum(batch.duplicates for batch in batches) == 3


def test_a_reader_goes_on_from_stored_positions_and_knows_what_it_saw(
    kafka_config: dict[str, str], decisions_topic: str, write_decisions: WriteDecisions
) -> None:
    write_decisions([*live([0, 1, 2]), correction(0, 4), correction(1, 4)])
    with BillingReader(kafka_config, decisions_topic) as reader:
        list(reader.batches(until_end=True))
        stored = reader.positions()
    write_decisions([*live([1, 2, 3]), correction(1, 4), correction(2, 4)])

    with BillingReader(kafka_config, decisions_topic, stored) as reader:
        found = [(d.click_id, d.revision) for batch in reader.batches(until_end=True) for d in batch.decisions]

    assert found == [("0-3", 0), ("0-2", 4)]


def test_a_start_in_the_middle_drops_a_zombies_repetitions_of_what_stands_before_it(
    kafka_config: dict[str, str], decisions_topic: str, write_decisions: WriteDecisions
) -> None:
    write_decisions(live([*range(40, 47), 41, 42]))
    with BillingReader(kafka_config, decisions_topic, start="latest") as reader:
        write_decisions(live([43, 44, 47, 48]))

        found = ids(reader.batches(until_end=True))

    assert found == ["0-47", "0-48"]


def test_reading_back_goes_past_corrections_that_fill_the_end(
    kafka_config: dict[str, str], decisions_topic: str, write_decisions: WriteDecisions
) -> None:
    write_decisions([*live(range(10)), *(correction(offset, 7) for offset in range(9))])
    with BillingReader(kafka_config, decisions_topic, start="latest", zombie_bound_records=2) as reader:
        write_decisions([*live([8, 9, 10]), correction(8, 7)])

        found = ids(reader.batches(until_end=True))

    assert found == ["0-10"]


def test_a_start_at_a_time_begins_with_the_first_record_that_is_not_older(
    kafka_config: dict[str, str], decisions_topic: str, write_decisions: WriteDecisions
) -> None:
    producer = Producer({**kafka_config, "enable.idempotence": True})
    for at_ms, record in zip((1_000_000, 2_000_000, 3_000_000), live([0, 1, 2]), strict=True):
        producer.produce(decisions_topic, _encoded(record), partition=0, timestamp=at_ms)
    producer.flush()

    with BillingReader(kafka_config, decisions_topic, start=1_500_000) as reader:
        found = ids(reader.batches(until_end=True))

    assert found == ["0-1", "0-2"]


def test_a_log_that_ends_with_the_mark_of_a_transaction_is_read_to_its_end(
    kafka_config: dict[str, str], decisions_topic: str, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing.log.PATIENCE_S", 10.0)
    producer = Producer({**kafka_config, "transactional.id": decisions_topic})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(decisions_topic, _encoded(live([0])[0]), partition=0)
    producer.commit_transaction(60)
    # Kafka writes the mark a moment after it has answered; until then readers see nothing of the transaction.
    with closing(open_consumer(kafka_config)) as consumer:
        wait_until(lambda: whole_log(consumer, decisions_topic)[0].end == 2)

    with BillingReader(kafka_config, decisions_topic) as reader:
        found = ids(reader.batches(until_end=True))

    assert found == ["0-0"]


def test_a_following_reader_sees_records_and_partitions_that_come_later(
    kafka_config: dict[str, str],
    decisions_topic: str,
    write_decisions: WriteDecisions,
    wait_until: WaitUntil,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("billing.reader.PARTITION_CHECK_S", 0.2)
    write_decisions(live([0]))
    admin = AdminClient(kafka_config)
    with BillingReader(kafka_config, decisions_topic) as reader:
        following = reader.batches(until_end=False)
        first = next(following)
        admin.create_partitions([NewPartitions(decisions_topic, 4)])[decisions_topic].result()
        wait_until(lambda: len(admin.list_topics(decisions_topic).topics[decisions_topic].partitions) == 4)
        write_decisions(live([0], partition=3))

        second = next(following)

    assert ids([first]) == ["0-0"]
    assert ids([second]) == ["3-0"]


def test_a_position_that_expired_is_an_error_that_says_how_much_was_lost(
    kafka_config: dict[str, str], decisions_topic: str, write_decisions: WriteDecisions
) -> None:
    write_decisions(live(range(6)))
    stored = _positions_after(kafka_config, decisions_topic, read=2)
    _expire(kafka_config, decisions_topic, before=5)

    with pytest.raises(Misconfigured, match="3 decisions expired unread"):
        BillingReader(kafka_config, decisions_topic, stored)


def test_a_position_beyond_the_end_is_refused(
    kafka_config: dict[str, str], decisions_topic: str, write_decisions: WriteDecisions
) -> None:
    write_decisions(live(range(3)))
    stored = _positions_after(kafka_config, decisions_topic, read=9)

    with pytest.raises(Misconfigured, match="stored position is 9, but the log ends at 3"):
        BillingReader(kafka_config, decisions_topic, stored)


def test_positions_of_a_topic_that_was_created_anew_are_refused(
    kafka_config: dict[str, str], decisions_topic: str
) -> None:
    with BillingReader(kafka_config, decisions_topic) as reader:
        stored = Positions("another-topics-id", reader.positions().partitions)

    with pytest.raises(Misconfigured, match="created anew"):
        BillingReader(kafka_config, decisions_topic, stored)


def test_what_stands_before_an_unreadable_record_is_handed_over_first(
    kafka_config: dict[str, str], decisions_topic: str, write_decisions: WriteDecisions
) -> None:
    write_decisions(live([0, 1]))
    producer = Producer(kafka_config)
    producer.produce(decisions_topic, b'{"click_id": 7}', partition=0)
    producer.flush()

    with BillingReader(kafka_config, decisions_topic) as reader:
        batches = reader.batches(until_end=True)
        first = next(batches)
        with pytest.raises(BadInput, match=r"\[0\] offset 2 is not a decision.*click_id"):
            list(batches)

    assert ids([first]) == ["0-0", "0-1"]
    assert first.positions.partitions[0].next_offset == 2


def test_a_decision_in_another_partition_than_its_clicks_is_an_error(
    kafka_config: dict[str, str], decisions_topic: str
) -> None:
    producer = Producer(kafka_config)
    producer.produce(decisions_topic, _encoded(decision(source_partition=1)), partition=0)
    producer.flush()

    with pytest.raises(BadInput, match="decides a click of partition 1"):
        read_all_effective(kafka_config, decisions_topic.removesuffix("decisions"))


def test_the_effective_decisions_of_the_whole_log_hold_the_highest_revision_of_each_click(
    kafka_config: dict[str, str], decisions_topic: str, write_decisions: WriteDecisions
) -> None:
    write_decisions([*live([0, 1, 0, 1, 2]), correction(1, 5), correction(1, 3)])

    effective = read_all_effective(kafka_config, decisions_topic.removesuffix("decisions"))

    assert {click_id: found.revision for click_id, found in effective.items()} == {"0-0": 0, "0-1": 5, "0-2": 0}


def test_a_topic_that_does_not_exist_is_named(kafka_config: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match="no-such-topic"):
        BillingReader(kafka_config, "no-such-topic")


def test_a_server_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.log.PATIENCE_S", 0.5)
    monkeypatch.setattr("billing.reader.PATIENCE_S", 0.5)

    with pytest.raises(Unavailable, match="Check that the brokers can be reached"):
        BillingReader({"bootstrap.servers": "127.0.0.1:1", "log_level": 0}, "decisions")


def test_a_question_is_asked_again_while_a_partition_has_no_leader() -> None:
    answers: list[KafkaError | int] = [KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION)] * 2 + [7]

    def ask() -> int:
        answer = answers.pop(0)
        if isinstance(answer, KafkaError):
            raise KafkaException(answer)
        return answer

    assert patiently("decisions", ask) == 7
    assert answers == []


def _encoded(record: Decision) -> bytes:
    return msgspec.json.encode(record)


def _positions_after(config: dict[str, str], topic: str, read: int) -> Positions:
    """Positions of a reader that has read so many records of partition 0."""
    with BillingReader(config, topic) as reader:
        found = reader.positions()
    return Positions(found.topic_id, {0: msgspec.structs.replace(found.partitions[0], next_offset=read)})


def _expire(config: dict[str, str], topic: str, before: int) -> None:
    admin = AdminClient(config)
    for future in admin.delete_records([TopicPartition(topic, 0, before)]).values():
        future.result()
