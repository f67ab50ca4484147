"""Schemas of the archive follow the records of contracts/, and leave out who clicked."""

import pyarrow as pa
import pytest

from archive.schemas import DROPPED, EVENTS, schema_of
from contracts import feature_log
from contracts.events import Decision
from contracts.features import FEATURE_IDS
from contracts.topics import Topic


@pytest.mark.parametrize("topic", EVENTS)
def test_every_field_of_an_event_is_a_column_or_dropped_on_purpose(topic: Topic) -> None:
    names = set(schema_of(topic).names)

    for field in EVENTS[topic].__struct_fields__:
        assert (field in names) is (field not in DROPPED)


def test_purchases_have_the_columns_that_labels_are_made_of() -> None:
    expected = {
        "purchase_id": pa.string(),
        "purchased_at_ms": pa.int64(),
        "user_hash": pa.binary(16),
        "session_hash": pa.binary(16),
        "click_id": pa.string(),
        "value_micros": pa.int64(),
        "currency": pa.string(),
        "source_partition": pa.int32(),
        "source_offset": pa.int64(),
    }

    schema = schema_of(Topic.PURCHASES)

    assert dict(zip(schema.names, schema.types, strict=True)) == expected
    assert schema.names == list(expected)


def test_decisions_have_the_types_that_the_feature_log_gives_them() -> None:
    archived, logged = schema_of(Topic.DECISIONS), feature_log.schema()

    for name in Decision.__struct_fields__:
        assert archived.field(name).type == logged.field(name).type


def test_the_feature_log_is_archived_as_it_is_with_its_place() -> None:
    for schema, wide in ((schema_of(Topic.FEATURE_LOG), len(FEATURE_IDS)), (schema_of(Topic.FEATURE_LOG, 7), 7)):
        assert list(schema)[:-1] == list(feature_log.schema(wide))
        assert schema.names[-1] == "log_offset"
