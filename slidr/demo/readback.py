"""What the topics hold when all is decided, read as billing would: nothing here asks a worker."""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec

from billing.log import open_consumer, scan, whole_log
from billing.snapshot import read_all_effective
from contracts.events import Click, Purchase
from contracts.topics import Topic
from rules.ruleset import DOUBLE_CLICK
from slidr.demo.attribution import all_attributed

Event = TypeVar("Event", Click, Purchase)


class LiveClick(NamedTuple):
    """A click of the live day: what made it, its effective verdict, whether it led to a purchase.

    `double` clicks are invalid because they repeat another: nobody pays for those, people's neither.
    """

    at_ms: int
    kind: str
    invalid: bool
    purchasing: bool
    double: bool = False


def live_clicks(kafka: Mapping[str, Any], live_from_ms: int, kinds: Mapping[str, str]) -> list[LiveClick]:
    """All that were decided; `kinds` names what made each of them."""
    clicks = [click for click in _read(kafka, Topic.CLICKS, Click) if click.clicked_at_ms >= live_from_ms]
    purchasing = all_attributed(clicks, _read(kafka, Topic.PURCHASES, Purchase))
    decisions = read_all_effective(kafka)
    return [
        LiveClick(
            click.clicked_at_ms,
            kinds[click.click_id],
            decision.verdict == "invalid",
            click.click_id in purchasing,
            decision.reason == DOUBLE_CLICK,
        )
        for click in clicks
        if (decision := decisions.get(click.click_id))
    ]


def _read(kafka: Mapping[str, Any], topic: Topic, kind: type[Event]) -> list[Event]:
    decode = msgspec.json.Decoder(kind).decode
    consumer = open_consumer(kafka)
    try:
        parts = scan(consumer, topic, whole_log(consumer, topic))
        return [decode(record.value() or b"") for part in parts for record in part]
    finally:
        consumer.close()
