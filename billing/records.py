"""Kafka records of `decisions` and `clicks` to what they hold."""

from collections.abc import Callable
from typing import TypeVar

import msgspec
from confluent_kafka import Message

from billing.conservation import ClickPlace
from billing.log import place
from contracts.errors import BadInput
from contracts.events import Click, Decision, FinalityMarker

T = TypeVar("T")
_decode_decision = msgspec.json.Decoder(Decision).decode
_decode_marker = msgspec.json.Decoder(FinalityMarker).decode
_decode_click = msgspec.json.Decoder(Click).decode
# What msgspec raises for bytes that are not what they should be.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_decision(record: Message) -> Decision:
    """The decision in a record of `decisions`. Raises BadInput: a ledger must not pass over what it can't read."""
    partition, offset = place(record)
    way_out = f"; to go on behind it, store {offset + 1} as the next offset of this partition"
    decision = _decoded(_decode_decision, record, "not a decision", way_out)
    if decision.source_partition != partition:
        raise BadInput(
            f"{record.topic()}[{partition}] offset {offset} decides a click of partition {decision.source_partition}; "
            "decisions stand in the partition of their click. Find out who wrote it.",
            "$.source_partition",
        )
    return decision


def decode_marker(record: Message) -> FinalityMarker:
    """The marker in a record of `decision-markers`. Raises BadInput: nothing unreadable closes an hour."""
    partition, offset = place(record)
    marker = _decoded(_decode_marker, record, "no marker", "")
    if marker.partition != partition:
        raise BadInput(f"{record.topic()}[{partition}] offset {offset} closes an hour of partition {marker.partition}.")
    return marker


def click_place(record: Message) -> ClickPlace:
    """Where a record of `clicks` stands, and its click_id if it is a valid click."""
    try:
        return ClickPlace(*place(record), _decode_click(record.value() or b"").click_id)
    except _UNREADABLE:
        return ClickPlace(*place(record), None)


def _decoded(decode: Callable[[bytes], T], record: Message, what_not: str, way_out: str) -> T:
    partition, offset = place(record)
    try:
        return decode(record.value() or b"")
    except _UNREADABLE as error:
        raise BadInput(
            f"{record.topic()}[{partition}] offset {offset} is {what_not}: {error}. Find out who wrote it{way_out}."
        ) from error
