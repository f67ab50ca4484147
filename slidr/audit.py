"""Everything that is known about one click's decisions: found in the topics, nothing recomputed."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, cast

import msgspec
from confluent_kafka import Consumer, Message
from msgspec import Struct

from billing.fold import Effect, Fold
from billing.log import Stretch, offsets_at, open_consumer, place, scan, whole_log
from billing.records import decode_decision
from contracts.errors import BadInput
from contracts.events import Decision, ReleaseEvent
from contracts.feature_log import FIRST_OFFSET_HEADER, LAST_OFFSET_HEADER, Flag, decode
from contracts.features import FEATURES
from contracts.topics import Topic, topic_name

# The feature log's row is written right after the decision; clocks of two brokers may differ by this.
_CLOCK_SLACK_MS = 60_000


class DecisionRecord(Struct):
    """A record of `decisions`: its offset there, what it did to the bill, and whether it is the one that counts."""

    offset: int
    effect: Effect
    stands: bool
    decision: Decision


class FeatureRow(Struct):
    """What the model saw, by feature id, and what was particular about it."""

    features: dict[str, float]
    flags: list[str]
    shadow_score: float | None
    shadow_verdict: str | None


class ReleaseRecord(Struct):
    """An event of `model-releases`."""

    offset: int
    event: ReleaseEvent


class Trail(Struct):
    """All that was found of one click_id. `features` is None if the feature log no longer holds the row."""

    click_id: str
    records: list[DecisionRecord]
    features: FeatureRow | None
    releases: list[ReleaseRecord]


class Period(NamedTuple):
    """Records written from `from_ms` up to, not including, `to_ms`; None: up to the end."""

    from_ms: int
    to_ms: int | None


def find_trail(
    config: Mapping[str, Any],
    prefix: str,
    click_id: str,
    period: Period,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Trail:
    """Search what was written to `decisions` in the period; one without records says that nothing was found.

    `on_progress` hears how many of how many records are searched.
    """
    consumer = open_consumer(config)
    try:
        found = list(_find_decisions(consumer, topic_name(Topic.DECISIONS, prefix), click_id, period, on_progress))
        records = _with_effects(click_id, sorted(found))
        if not records:
            return Trail(click_id, [], None, [])
        standing = next(record.decision for record in records if record.stands)
        written_ms = min(entry.written_ms for entry in found if _same_place(entry.decision, standing))
        features = _find_features(consumer, topic_name(Topic.FEATURE_LOG, prefix), standing, written_ms)
        versions = {record.decision.model_version for record in records}
        releases = _find_releases(consumer, topic_name(Topic.MODEL_RELEASES, prefix), versions)
        return Trail(click_id, records, features, releases)
    finally:
        consumer.close()


class _Found(NamedTuple):
    written_ms: int
    partition: int
    offset: int
    decision: Decision


def _find_decisions(
    consumer: Consumer, topic: str, click_id: str, period: Period, on_progress: Callable[[int, int], None]
) -> Iterator[_Found]:
    first = offsets_at(consumer, topic, period.from_ms)
    end = {p: held.end for p, held in whole_log(consumer, topic).items()}
    if period.to_ms is not None:
        end = offsets_at(consumer, topic, period.to_ms)
    stretches = {partition: Stretch(first[partition], end[partition]) for partition in first}
    total = sum(max(0, stretch.end - stretch.first) for stretch in stretches.values())
    key, done = click_id.encode(), 0
    for records in scan(consumer, topic, stretches):
        for record in records:
            if record.key() == key:
                yield _Found(record.timestamp()[1], *place(record), decode_decision(record))
        done += len(records)
        on_progress(done, total)


def _with_effects(click_id: str, found: list[_Found]) -> list[DecisionRecord]:
    fold = Fold()
    effects = [fold.apply(entry.partition, entry.decision) for entry in found]
    standing = fold.effective.get(click_id)
    return [
        DecisionRecord(entry.offset, effect, entry.decision is standing, entry.decision)
        for entry, effect in zip(found, effects, strict=True)
    ]


def _same_place(one: Decision, other: Decision) -> bool:
    return (one.source_partition, one.source_offset) == (other.source_partition, other.source_offset)


def _find_features(consumer: Consumer, topic: str, decision: Decision, written_ms: int) -> FeatureRow | None:
    """The feature log's row of the click: batches stand in offset order, so the search ends behind it."""
    partition, offset = decision.source_partition, decision.source_offset
    first = offsets_at(consumer, topic, written_ms - _CLOCK_SLACK_MS)[partition]
    end = whole_log(consumer, topic)[partition].end
    for records in scan(consumer, topic, {partition: Stretch(first, end)}):
        for record in records:
            headers = _headers(record)
            if int(headers[FIRST_OFFSET_HEADER]) > offset:
                return None
            if offset <= int(headers[LAST_OFFSET_HEADER]):
                return _row(decode(record.value() or b"", headers), offset)
    return None


def _headers(record: Message) -> dict[str, bytes]:
    return dict(cast(list[tuple[str, bytes]], record.headers() or []))


def _row(batch: Any, offset: int) -> FeatureRow | None:
    offsets = batch.column("source_offset").to_pylist()
    if offset not in offsets:
        return None
    (row,) = batch.slice(offsets.index(offset), 1).to_pylist()
    # Features are only ever added at the end of the table: an older batch holds the first ones.
    named = zip((feature.id for feature in FEATURES), row["features"], strict=False)
    return FeatureRow(
        features={name: round(value, 6) for name, value in named},
        flags=[flag.name or "" for flag in Flag if row["flags"] & flag],
        shadow_score=row["shadow_score"],
        shadow_verdict=row["shadow_verdict"],
    )


def _find_releases(consumer: Consumer, topic: str, versions: set[str]) -> list[ReleaseRecord]:
    decoder = msgspec.json.Decoder(ReleaseEvent)
    found = []
    for records in scan(consumer, topic, whole_log(consumer, topic)):
        for record in records:
            offset = place(record)[1]
            try:
                event = decoder.decode(record.value() or b"")
            except msgspec.DecodeError as error:
                raise BadInput(f"{topic} offset {offset} is no release event: {error}.") from error
            if event.version in versions:
                found.append(ReleaseRecord(offset, event))
    return found
