"""Logged rows that are not what their clicks count to: found, named, and read beside the right click."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer

from billing.log import Stretch
from contracts.agreement import Agreed
from contracts.errors import BadInput, Misconfigured
from contracts.features import FEATURE_IDS
from contracts.replay import ReplayJob, Selection
from contracts.topics import Topic, topic_name
from features.entities import EntityHasher
from features.memory_store import MemoryFeatureStore
from replay.again import ClickSource, check_key
from replay.counting import Answers, count_again
from replay.logs import Logs
from replay.measuring import Judges, measure
from replay.releases import Releases
from replay.sharing import SharedIps
from replay.spans import resolve
from replay.warming import freeze, merged_clicks
from tests.builders import START_MS
from tests.replay.logged import Logged, clicks_of

KEY = "a key for tests only, of some length"
COUNT = 200


def send(logged: Logged, count: int, bad: int | None = None) -> None:
    """The clicks themselves, where `Logged.decide` has them, though it has drawn their features; one may be none."""
    producer = Producer({**logged.kafka, "enable.idempotence": True})
    for number, one in enumerate(clicks_of(count)):
        value = b"no click" if number == bad else msgspec.json.encode(one)
        name, partition = topic_name(Topic.CLICKS, logged.prefix), number % logged.partitions
        producer.produce(name, value, partition=partition, timestamp=one.clicked_at_ms)
    assert producer.flush(60) == 0


def measured(logged: Logged, folder: Path) -> Agreed:
    """All that was logged against all clicks counted again."""
    spans = resolve(Logs(logged.kafka, logged.prefix), START_MS, START_MS + 10**9).spans
    ranges = freeze(logged.kafka, logged.prefix, spans).clicks
    answers = Answers(folder, {p: Stretch(span.first, span.end) for p, span in spans.items()})
    ips = SharedIps()
    clicks = merged_clicks(logged.kafka, logged.prefix, ranges)
    assert asyncio.run(count_again(MemoryFeatureStore(KEY), clicks, answers, ips)) == COUNT
    job = ReplayJob(Selection(), "good", "", spans, recompute=ranges)
    return measure(
        ClickSource(Logs(logged.kafka, logged.prefix), answers, ips), job, Judges(Releases(str(logged.models)))
    )


def test_features_that_their_clicks_do_not_count_to_are_named(logged: Logged, tmp_path: Path) -> None:
    logged.decide(clicks_of(COUNT), "good")
    send(logged, COUNT)

    found = measured(logged, tmp_path)

    assert (found.clicks, found.equal, found.unexplained) == (COUNT, 0, COUNT)
    assert found.verdicts_equal + found.verdicts_unexplained == COUNT
    assert found.verdicts_equal < COUNT
    assert [(one.partition, one.offset, one.click_id) for one in found.named] == [
        (0, offset, f"c{2 * offset}") for offset in range(10)
    ]
    assert set(found.named[0].features) == set(FEATURE_IDS)


def test_verdicts_of_a_release_that_is_gone_are_not_compared(logged: Logged, tmp_path: Path) -> None:
    logged.decide(clicks_of(COUNT), "good", change=lambda one: msgspec.structs.replace(one, model_version="gone"))
    send(logged, COUNT)

    assert measured(logged, tmp_path).verdicts_unknown == COUNT


def test_a_row_without_a_click_is_refused_with_its_place(logged: Logged, tmp_path: Path) -> None:
    logged.decide(clicks_of(COUNT), "good")
    send(logged, COUNT, bad=17)

    with pytest.raises(BadInput, match=r"clicks\[1\] offset 8: the feature log has a row of it, but no click"):
        measured(logged, tmp_path)


def test_accounts_that_were_hashed_with_another_key_are_refused(logged: Logged) -> None:
    logged.decide(clicks_of(COUNT), "good")
    send(logged, COUNT)
    spans = resolve(Logs(logged.kafka, logged.prefix), START_MS, START_MS + 10**9).spans

    with pytest.raises(Misconfigured, match=r"clicks\[0\] offset 0: the account's hash in the feature log is another"):
        check_key(Logs(logged.kafka, logged.prefix), spans, EntityHasher(KEY))
