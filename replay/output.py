"""Where a run writes, what it has written there already, and its decisions as records.

Exactly once, by the rule of the workers: within a partition and run the source offsets only grow. So whoever goes on
reads how far the run's own records reach, writes above that, and a reader drops what a killed writer left late.

    decisions[0]    ... live  r-a 40  live  r-a 57 | killed      the next one goes on above 57

A run may stand still for longer than its output is kept. What has expired of it is then written once more, and still
stands once for every reader:

    decisions[0]    r-a 40  r-a 57 | killed ... both expire ... | r-a 40  r-a 57  r-a 63      progress: all below 40

Whatever the run made of clicks below the progress' `next_offset` is stored, expired or not, so none of it is left out.
Above that it is decided again, to the same verdicts, as these follow from the request and from runs of lower revisions
alone. A reader that has seen `r-a 57` remembers 57, as the rule wants, and drops both; one that has not, because it
begins at what is left of the log, takes both. If some of them are left, the run goes on above the highest: a partition
holds a run's records in order, so all below it were stored.
"""

from collections.abc import Iterator, Mapping
from itertools import repeat
from typing import NamedTuple

import msgspec
from confluent_kafka import Consumer

from billing.log import Stretch
from contracts.errors import Unavailable
from contracts.events import Decision, Verdict
from contracts.replay import SHADOW_TOPIC, Replay
from contracts.topics import SPECS, Topic, TopicSpec, topic_name
from replay.reading import held_in, read_stretch
from replay.rescoring import Rescored, reasons
from replay.rows import Rows, plain, rules_of
from streams.delivery import Delivery
from streams.topic_admin import create_topic

_encode = msgspec.json.Encoder().encode
_FLUSH_S = 30.0
_VERDICTS: tuple[Verdict, Verdict] = ("valid", "invalid")
# What a decision takes from the row as it is.
_LOGGED = (
    "click_id", "advertiser_id", "campaign_id", "ad_id", "cost_micros", "currency", "clicked_at_ms", "slice",
    "source_partition", "source_offset",
)  # fmt: skip


class _Key(msgspec.Struct, gc=False):
    run: str
    source_offset: int


_decode = msgspec.json.Decoder(_Key).decode


class Written(NamedTuple):
    """The highest source offset of a run in a partition of its output, -1 for none; its records; where it ended."""

    last: int
    records: int
    end: int


def output_topic(replay: Replay, prefix: str) -> str:
    """`decisions`, or the replay's own shadow topic."""
    if replay.job.publish:
        return topic_name(Topic.DECISIONS, prefix)
    return f"{prefix}{SHADOW_TOPIC}{replay.id}"


def make_shadow_topic(kafka: Mapping[str, str], replay: Replay, prefix: str) -> None:
    """Make the shadow topic if it is not there, with a partition for each that is replayed."""
    decisions = SPECS[Topic.DECISIONS]
    spec = TopicSpec(partitions=max(replay.job.spans) + 1, retention_ms=decisions.retention_ms)
    create_topic(kafka, output_topic(replay, prefix), spec)


def written(consumer: Consumer, topic: str, partition: int, run: str, output_from: int) -> Written:
    """What a run has written at `output_from` of a partition or behind it, of what has not expired."""
    held = held_in(consumer, topic, partition)
    last, count = -1, 0
    for records in read_stretch(consumer, topic, partition, Stretch(max(output_from, held.first), held.end)):
        for key in (_decode(record.value() or b"") for record in records):
            if key.run == run:
                last, count = max(last, key.source_offset), count + 1
    return Written(last, count, held.end)


def decisions_of(
    rows: Rows, rescored: Rescored, replay: Replay, supersedes: list[str] | list[None], decided_at_ms: int
) -> Iterator[Decision]:
    """Decisions on n rows of one partition, their fields column by column."""
    logged = {name: plain(rows.columns[name]) for name in _LOGGED}
    return map(
        Decision,
        logged["click_id"],
        logged["advertiser_id"],
        logged["campaign_id"],
        logged["ad_id"],
        logged["cost_micros"],
        logged["currency"],
        logged["clicked_at_ms"],
        repeat(decided_at_ms),
        [_VERDICTS[invalid] for invalid in rescored.invalid.tolist()],
        reasons(rows.columns, rescored),
        rules_of(rows.columns["rules"]),
        rescored.scores.tolist(),
        rescored.thresholds.tolist(),
        logged["slice"],
        repeat(replay.job.model_version),
        repeat(replay.id),
        repeat(replay.revision),
        supersedes,
        logged["source_partition"],
        logged["source_offset"],
    )


def write(delivery: Delivery, topic: str, partition: int, decisions: Iterator[Decision]) -> int:
    """Queue records in order; returns how many."""
    produce, count = delivery.produce_silently, 0
    for decision in decisions:
        produce(topic, _encode(decision), decision.click_id, partition)
        count += 1
    return count


def flush(delivery: Delivery, topic: str) -> None:
    """Wait until all that was queued is stored. Raises Unavailable."""
    if left := delivery.flush(_FLUSH_S):
        raise Unavailable(
            f"Topic {topic}: {left} record(s) were not stored within {_FLUSH_S:.0f} s. Run the replay again when Kafka "
            "is back: it goes on where it was."
        )
