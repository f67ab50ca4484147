"""Whole topics as they are now: for reconciliation, tests and the demo. A ledger reads with `BillingReader`."""

from collections.abc import Iterator, Mapping
from typing import Any

from confluent_kafka import Message

from billing.conservation import ClickPlace, Conservation, check_conservation
from billing.fold import Fold
from billing.log import open_consumer, place, scan, whole_log
from billing.records import click_place, decode_decision
from contracts.events import Decision
from contracts.topics import Topic, topic_name


def read_decisions(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[int, Decision]]:
    """All records of `decisions` in log order, duplicates included: (partition, record)."""
    for record in _read(config, topic_name(Topic.DECISIONS, prefix)):
        yield place(record)[0], decode_decision(record)


def read_all_effective(config: Mapping[str, Any], prefix: str = "") -> dict[str, Decision]:
    """The standing decision of every click_id: about 1 KB of memory each."""
    fold = Fold()
    for partition, decision in read_decisions(config, prefix):
        fold.apply(partition, decision)
    return fold.effective


def read_click_places(config: Mapping[str, Any], prefix: str = "") -> Iterator[ClickPlace]:
    """All records of `clicks`, valid or not."""
    return map(click_place, _read(config, topic_name(Topic.CLICKS, prefix)))


def reconcile(config: Mapping[str, Any], prefix: str = "") -> Conservation:
    """Whether every click in `clicks` has its one decision. Clicks not yet decided count as missing."""
    return check_conservation(read_click_places(config, prefix), read_decisions(config, prefix))


def _read(config: Mapping[str, Any], topic: str) -> Iterator[Message]:
    consumer = open_consumer(config)
    try:
        for records in scan(consumer, topic, whole_log(consumer, topic)):
            yield from records
    finally:
        consumer.close()
