"""Records become rows in which nobody can be found; what cannot be read is told by offset."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.commits import Skip
from archive.rows import rows_of
from archive.schemas import DROPPED, EVENTS, schema_of
from contracts.events import Click, Purchase
from contracts.topics import Topic
from features.entities import EntityHasher
from tests.archive.doubles import HASHES, FakeRecord, click_record, features_record
from tests.builders import click, decision
from tests.contracts.strategies import events


@pytest.mark.parametrize("topic", EVENTS)
@settings(max_examples=40)
@given(data=st.data())
def test_every_event_comes_back_field_by_field(topic: Topic, data: st.DataObject) -> None:
    sent = data.draw(st.lists(events(EVENTS[topic]).filter(_fits), min_size=1, max_size=4))
    records = [FakeRecord(offset, msgspec.json.encode(event)) for offset, event in enumerate(sent, 5)]

    rows = rows_of(topic, 3, records, HASHES)

    (batch,) = rows.batches
    assert batch.schema == schema_of(topic)
    assert (rows.records, rows.skips) == (len(sent), [])
    for row, event in zip(batch.to_pylist(), sent, strict=True):
        for field in set(type(event).__struct_fields__) - DROPPED:
            assert row[field] == _plain(getattr(event, field))


def _fits(event: Any) -> bool:
    """Kafka has no more partitions than fit; the event's type does not say so."""
    return abs(getattr(event, "source_partition", 0)) < 2**31


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@given(events(Click))
def test_hashes_are_those_of_the_feature_store(event: Click) -> None:
    visit = HASHES.visit(event)

    (batch,) = rows_of(Topic.CLICKS, 0, [FakeRecord(0, msgspec.json.encode(event))], HASHES).batches

    (row,) = batch.to_pylist()
    assert row["account_hash"] == HASHES.account(event) == visit.account
    assert (row["session_hash"], row["ip_hash"]) == (visit.session, visit.ip)
    assert row["user_hash"] == (visit.account if event.user_id else None)


@given(events(Purchase), st.integers(0, 2**40))
def test_a_purchase_has_the_hash_of_its_account_clicks(event: Purchase, offset: int) -> None:
    same_user = click(user_id=event.user_id, session_id=event.session_id or "none")

    (batch,) = rows_of(Topic.PURCHASES, 2, [FakeRecord(offset, msgspec.json.encode(event))], HASHES).batches

    (row,) = batch.to_pylist()
    assert row["user_hash"] == (HASHES.account(same_user) if event.user_id else None)
    assert row["session_hash"] == (HASHES.visit(same_user).session if event.session_id else None)
    assert (row["source_partition"], row["source_offset"]) == (2, offset)


def test_the_key_id_tells_keys_apart_and_is_no_hash_of_a_name() -> None:
    same, other = EntityHasher("a secret of the tests"), EntityHasher("another secret of the tests")

    assert HASHES.key_id == same.key_id != other.key_id
    assert bytes.fromhex(HASHES.key_id) not in {HASHES.user("")[:4], HASHES.session("")[:4], HASHES.ip("")[:4]}


def test_decisions_keep_their_place_in_the_log_beside_that_of_the_click() -> None:
    value = msgspec.json.encode(decision(source_partition=1, source_offset=70))

    (batch,) = rows_of(Topic.DECISIONS, 1, [FakeRecord(99, value)], HASHES).batches

    (row,) = batch.to_pylist()
    assert (row["source_offset"], row["log_partition"], row["log_offset"]) == (70, 1, 99)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (None, "$"),
        (b"", "$"),
        (b"{", "$"),
        (b"\xff", "$"),
        (b"[" * 100_000, "$"),
        (msgspec.json.encode({"click_id": "c"}), "$.clicked_at_ms"),
        (msgspec.json.encode(click()).replace(b'"desktop"', b'"user-secret"'), "$.device"),
    ],
)
def test_what_is_no_click_is_skipped_with_the_field_at_fault_and_nothing_of_its_content(
    value: bytes | None, path: str
) -> None:
    rows = rows_of(Topic.CLICKS, 0, [FakeRecord(4, value), click_record(5)], HASHES)

    assert rows.skips == [Skip(4, 4, path)]
    assert [len(batch) for batch in rows.batches] == [1]


def test_a_number_that_no_column_holds_is_skipped_alone() -> None:
    partitions = [1, 2**31, 3, 2**70, 5]
    records = [
        FakeRecord(offset, msgspec.json.encode({**msgspec.to_builtins(decision()), "source_partition": number}))
        for offset, number in enumerate(partitions)
    ]

    rows = rows_of(Topic.DECISIONS, 0, records, HASHES)

    assert [batch.column("source_partition").to_pylist() for batch in rows.batches] == [[1], [3], [5]]
    assert [(skip.first, skip.path) for skip in rows.skips] == [(1, "$"), (3, "$")]
    assert rows.records == 3


def test_a_flood_of_rubbish_is_one_entry() -> None:
    rows = rows_of(Topic.CLICKS, 0, [FakeRecord(offset, b"rubbish") for offset in range(10_000)], HASHES)

    assert rows.skips == [Skip(0, 9_999, "$")]


@given(st.integers(0, 400), st.integers(0, 2_000))
def test_a_damaged_feature_batch_never_spoils_the_ones_beside_it(at: int, kept: int) -> None:
    good = features_record(1, rows=3)
    body = good.value() or b""
    spoilt = FakeRecord(0, body[:at] + bytes(8) + body[at + 8 :][:kept], good.headers())

    rows = rows_of(Topic.FEATURE_LOG, 0, [spoilt, good], HASHES)

    assert rows.records + sum(skip.last - skip.first + 1 for skip in rows.skips) == 2
    assert rows.batches[-1].column("source_offset").to_pylist() == [0, 1, 2]
    for batch in rows.batches:
        batch.validate(full=True)
