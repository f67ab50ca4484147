"""A change of an event is compatible when old records, old readers and old writers get on with it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct, defstruct

from contracts.compatibility import incompatibilities
from contracts.schemas import EVENTS, schema
from contracts.topics import Topic

Short = Annotated[str, Meta(min_length=1, max_length=8)]
Field = tuple[str, Any] | tuple[str, Any, Any]


def struct(*fields: Field) -> Mapping[str, Any]:
    """JSON Schema of a struct with these fields: (name, type) or (name, type, default)."""
    return msgspec.json.schema(defstruct("Event", fields))


class Inner(Struct):
    a: int


class NarrowerInner(Struct):
    a: Annotated[int, Meta(ge=0)]


BREAKING = [
    pytest.param([("a", int)], [], "$.a: is gone", id="field removed"),
    pytest.param([], [("a", int)], "$.a: could be left out, is required", id="required field added"),
    pytest.param([("a", int, 1)], [("a", int)], "$.a: could be left out, is required", id="made required"),
    pytest.param([("a", int)], [("a", str)], "$.a: was integer, is string", id="another type"),
    pytest.param([("a", float)], [("a", int)], "$.a: was number, is integer", id="number to integer"),
    pytest.param([("a", int | None)], [("a", int)], "$.a: does not allow null", id="null no longer allowed"),
    pytest.param([("a", Short)], [("a", Annotated[str, Meta(max_length=7, min_length=1)])], "maxLength", id="shorter"),
    pytest.param([("a", Short)], [("a", Annotated[str, Meta(max_length=8, min_length=2)])], "minLength", id="longer"),
    pytest.param([("a", str)], [("a", Annotated[str, Meta(max_length=99)])], "maxLength was open", id="new limit"),
    pytest.param([("a", str)], [("a", Annotated[str, Meta(pattern="^a")])], "pattern was open", id="new pattern"),
    pytest.param([("a", int | None)], [("a", Annotated[int, Meta(ge=0)] | None)], "minimum", id="limit in a choice"),
    pytest.param([("a", Annotated[int, Meta(le=9)])], [("a", Annotated[int, Meta(le=8)])], "maximum", id="lower top"),
    pytest.param([("a", Literal["x", "y"])], [("a", Literal["x"])], "does not allow 'y'", id="word removed"),
    pytest.param([("a", str)], [("a", Literal["x"])], "was string, is one of 'x'", id="words instead of text"),
    pytest.param([("a", list[int])], [("a", list[str])], "$.a[...]: was integer", id="another item"),
    pytest.param([("a", list[Inner])], [("a", list[NarrowerInner])], "$.a[...].a: minimum", id="limit in an item"),
    pytest.param([("a", int, 1)], [("a", int, 2)], "meant 1, means 2", id="another default"),
]
HARMLESS = [
    pytest.param([("a", int)], [("a", int), ("b", int, 0)], id="optional field added"),
    pytest.param([("a", int), ("b", int)], [("b", int), ("a", int)], id="another order"),
]
HARMLESS_FOR_INPUTS = [
    pytest.param([("a", int)], [("a", int, 0)], id="made optional"),
    pytest.param([("a", int)], [("a", float)], id="integer to number"),
    pytest.param([("a", int)], [("a", int | None)], id="null allowed"),
    pytest.param([("a", Short)], [("a", str)], id="limit dropped"),
    pytest.param([("a", Literal["x"])], [("a", Literal["x", "y"])], id="word added"),
    pytest.param([("a", Literal["x"])], [("a", str)], id="text instead of words"),
]


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(("old", "new", "told"), BREAKING)
def test_what_is_taken_away_or_tightened_is_told(old: list[Field], new: list[Field], told: str, ours: bool) -> None:
    broken = incompatibilities(struct(*old), struct(*new), ours)

    assert any(told in sentence for sentence in broken), broken


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(("old", "new"), HARMLESS)
def test_what_can_be_left_out_may_be_added(old: list[Field], new: list[Field], ours: bool) -> None:
    assert incompatibilities(struct(*old), struct(*new), ours) == []


@pytest.mark.parametrize(("old", "new"), HARMLESS_FOR_INPUTS)
def test_an_event_may_be_widened_only_if_others_write_it(old: list[Field], new: list[Field]) -> None:
    assert incompatibilities(struct(*old), struct(*new), ours=False) == []
    assert any("old reader" in told for told in incompatibilities(struct(*old), struct(*new), ours=True))


@pytest.mark.parametrize("topic", EVENTS)
def test_an_unchanged_event_is_compatible(topic: Topic) -> None:
    assert incompatibilities(schema(topic), schema(topic), ours=True) == []


@given(
    st.tuples(st.integers(-3, 3), st.integers(-3, 3)).map(sorted),
    st.tuples(st.integers(-3, 3), st.integers(-3, 3)).map(sorted),
)
def test_limits_are_compatible_exactly_when_every_old_value_is_still_allowed(old: list[int], new: list[int]) -> None:
    def limited(low: int, high: int) -> Mapping[str, Any]:
        return struct(("a", Annotated[int, Meta(ge=low, le=high)]))

    still_allowed = set(range(old[0], old[1] + 1)) <= set(range(new[0], new[1] + 1))

    assert (incompatibilities(limited(*old), limited(*new), ours=False) == []) is still_allowed
