"""Events come back as they were sent, and what lies beyond a limit is refused by the path of its field."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from contracts.events import (
    DEVICES,
    Click,
    Decision,
    FinalityMarker,
    PartitionStatus,
    Purchase,
    ReleaseEvent,
    WorkerStatus,
)
from contracts.replay import ReplayJob, ReplayProgress, ReplayRequest, ReplayTask, Selection, Span
from contracts.schemas import EVENTS
from tests.builders import START_MS, click, decision, purchase
from tests.contracts.strategies import beyond, events

STATUS = WorkerStatus("worker-1", START_MS, True, "pass-through", (PartitionStatus(0, 5, 0, None),), ())
RELEASE = ReleaseEvent("promote", "1", -1, START_MS, "somebody", "it is better")
JOB = ReplayJob(Selection(), "1", "", {0: Span(0, 9, 0, 3, 0, 9)})
REQUEST = ReplayRequest("run", "r1", 0, START_MS, "somebody", JOB, 10_000.0)
MARKER = FinalityMarker(1, START_MS, 9, 8, START_MS + 1, START_MS + 2)
PROGRESS = ReplayProgress("r1", 1, 0, 5, 2, 9, 1, "running", 10_000.0, "somebody", START_MS)
PLAIN: dict[type[msgspec.Struct], msgspec.Struct] = {
    Click: click(),
    Purchase: purchase(),
    Decision: decision(),
    ReleaseEvent: RELEASE,
    WorkerStatus: STATUS,
    ReplayRequest: REQUEST,
    ReplayProgress: PROGRESS,
    ReplayTask: ReplayTask("r1", 1, 0),
    FinalityMarker: MARKER,
}


def struct_fields(kind: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return info.fields


def read(kind: type[msgspec.Struct], fields: dict[str, Any]) -> msgspec.Struct:
    """The event that these fields are on the wire."""
    return msgspec.json.decode(json.dumps(fields).encode(), type=kind)


def fields_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """A plain event as its fields on the wire."""
    found = json.loads(msgspec.json.encode(PLAIN[kind]))
    assert isinstance(found, dict)
    return found


WRONG = [
    pytest.param(kind, field.name, value, id=f"{kind.__name__}.{field.name}={str(value)[:12]!r}")
    for kind in PLAIN
    for field in struct_fields(kind)
    for value in beyond(field.type)
]


def test_every_event_on_the_wire_is_tested_here() -> None:
    assert set(EVENTS.values()) == PLAIN.keys()


@given(st.one_of([events(kind) for kind in PLAIN]))
def test_an_event_comes_back_as_it_was_sent(event: msgspec.Struct) -> None:
    assert msgspec.json.decode(msgspec.json.encode(event), type=type(event)) == event


@pytest.mark.parametrize(("kind", "field", "value"), WRONG)
def test_a_value_beyond_its_limit_is_refused_by_path(kind: type[msgspec.Struct], field: str, value: object) -> None:
    fields = {**fields_of(kind), field: value}

    with pytest.raises(msgspec.ValidationError, match=re.escape(f"`$.{field}")):
        read(kind, fields)


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field.name) for kind in PLAIN for field in struct_fields(kind) if field.required]
)
def test_a_missing_field_is_refused_by_name(kind: type[msgspec.Struct], field: str) -> None:
    fields = fields_of(kind)
    del fields[field]

    with pytest.raises(msgspec.ValidationError, match=f"missing required field `{field}`"):
        read(kind, fields)


@pytest.mark.parametrize("kind", PLAIN)
def test_unknown_fields_are_ignored(kind: type[msgspec.Struct]) -> None:
    assert read(kind, {**fields_of(kind), "added_in_a_later_version": [1, 2]}) == PLAIN[kind]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"[]", b'"text"', b'{"click_id": "\xff"}', b'{"cost_micros": NaN}', b"\x00" * 64]
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    # Invalid UTF-8 is an error of its own in msgspec: a reader has to catch both.
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        msgspec.json.decode(body, type=Click)


def test_nan_cannot_stand_for_a_score() -> None:
    body = msgspec.json.encode(decision()).replace(b'"score":0.125', b'"score":NaN')

    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(body, type=Decision)


@given(events(Click))
def test_the_account_is_the_user_else_the_session(event: Click) -> None:
    assert event.account_id == (event.session_id if event.user_id is None else event.user_id)


def test_events_cannot_be_changed() -> None:
    event = click()

    with pytest.raises(AttributeError, match="immutable"):
        event.cost_micros = 0  # type: ignore[misc]


def test_a_decision_carries_neither_ip_nor_user() -> None:
    fields = {field.name for field in struct_fields(Decision)}

    assert fields.isdisjoint({"ip", "user_id", "session_id", "user_agent", "account_id", "query"})


def test_every_device_of_the_type_is_listed() -> None:
    assert {read(Click, {**fields_of(Click), "device": device}) for device in DEVICES} == {
        click(device=device) for device in DEVICES
    }
