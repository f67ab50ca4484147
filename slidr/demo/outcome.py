"""The demo's figures, read from the topics as billing would: nothing here asks a worker."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from billing.conservation import Conservation
from billing.log import open_consumer, scan, whole_log
from billing.snapshot import read_all_effective, reconcile
from contracts.events import Click, Decision, Purchase
from contracts.topics import Topic
from model.labels import attributed
from traffic.simulate import Truth

Event = TypeVar("Event", Click, Purchase)


class Outcome(Struct):
    """What the run came to. `invalid`, `ivr`, `fpr` and `recall` are of live clicks; None: nothing measured."""

    clicks: int
    decisions: int
    missing: int
    duplicates: int
    conflicting: int
    live_clicks: int
    invalid: int
    ivr: float | None
    fpr: float | None
    purchasing_clicks: int
    recall: dict[str, float]
    in_worker_ms_p50: float
    in_worker_ms_p999: float
    model_version: str
    seconds: float


class Verdicts(Struct):
    """Live clicks only: those clicked from the start of live traffic on."""

    clicks: int
    invalid: int
    purchasing: int
    purchasing_invalid: int
    recall: dict[str, float]


def conserved(kafka: Mapping[str, Any]) -> Conservation:
    """Clicks against decisions."""
    return reconcile(kafka)


def verdicts(kafka: Mapping[str, Any], live_from_ms: int, truths: Mapping[str, Truth]) -> Verdicts:
    """Effective decisions on live clicks, with those on clicks that led to a purchase, and recall by kind of robot."""
    clicks = [click for click in _read(kafka, Topic.CLICKS, Click) if click.clicked_at_ms >= live_from_ms]
    decisions = read_all_effective(kafka)
    live = {click.click_id: decisions[click.click_id] for click in clicks if click.click_id in decisions}
    attributed_to = [clicks[i].click_id for i in attributed(clicks, _read(kafka, Topic.PURCHASES, Purchase))]
    bought = [live[click_id] for click_id in attributed_to if click_id in live]
    return Verdicts(
        clicks=len(live),
        invalid=_invalid(live.values()),
        purchasing=len(bought),
        purchasing_invalid=_invalid(bought),
        recall=_recall(live, truths),
    )


def ratio(part: int, whole: int) -> float | None:
    """Share, to four decimals; None of nothing."""
    return round(part / whole, 4) if whole else None


def _invalid(decisions: Any) -> int:
    return sum(decision.verdict == "invalid" for decision in decisions)


def _read(kafka: Mapping[str, Any], topic: Topic, kind: type[Event]) -> list[Event]:
    decode = msgspec.json.Decoder(kind).decode
    consumer = open_consumer(kafka)
    try:
        parts = scan(consumer, topic, whole_log(consumer, topic))
        return [decode(record.value() or b"") for part in parts for record in part]
    finally:
        consumer.close()


def _recall(live: Mapping[str, Decision], truths: Mapping[str, Truth]) -> dict[str, float]:
    caught: dict[str, list[bool]] = defaultdict(list)
    for click_id, decision in live.items():
        if (truth := truths.get(click_id)) and truth.robot:
            caught[truth.kind].append(decision.verdict == "invalid")
    return {kind: round(sum(found) / len(found), 3) for kind, found in sorted(caught.items())}
