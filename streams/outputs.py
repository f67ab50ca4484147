"""From judged chunks to records in decisions, feature log and dead letters, each above that output's own tail.

The decision for `clicks[p]` goes to `decisions[p]`; so do the other two. What an output holds already, after a crash
or a rebalance, is not written again, and the chunk is finished when the last record of each part is delivered.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from contracts import feature_log
from contracts.events import LIVE, Decision
from contracts.ports import FloatMatrix
from contracts.topics import Topic, topic_name
from streams.dead_letters import park
from streams.delivery import Delivered, Delivery, Headers
from streams.judge import Judged
from streams.lane import Chunk
from streams.records import BadRecord

_encode = msgspec.json.Encoder().encode


class Rows(NamedTuple):
    """What was decided of one chunk: features (n, F) float32, session's clicks in 1 h (n,), account hashes, flags."""

    decisions: list[Decision]
    features: FloatMatrix
    account_hashes: Sequence[bytes]
    session_clicks_1h: FloatMatrix
    flags: Sequence[int]


def decisions_of(chunk: Chunk, judged: Judged, part: slice, version: str, decided_at_ms: int) -> list[Decision]:
    """The chunk's decisions; its clicks are `part` of those judged."""
    partition = chunk.lane.partition
    verdicts = judged.verdicts
    return [
        Decision(
            click.click_id,
            click.advertiser_id,
            click.campaign_id,
            click.ad_id,
            click.cost_micros,
            click.currency,
            click.clicked_at_ms,
            decided_at_ms,
            verdict,
            reason,
            rules,
            score,
            threshold,
            slice_,
            version,
            LIVE,
            0,
            None,
            partition,
            offset,
        )
        for click, offset, verdict, reason, score, threshold, slice_, rules in zip(
            chunk.decoded.clicks,
            chunk.decoded.offsets,
            verdicts.verdict[part],
            verdicts.reason[part],
            verdicts.score[part],
            verdicts.threshold[part],
            verdicts.slice[part],
            judged.fired[part],
            strict=True,
        )
    ]


class Outputs:
    """Writes chunks through one `Delivery`. `delivered(chunk)` is called from its thread, once per part of a chunk."""

    def __init__(
        self, delivery: Delivery, prefix: str, clicks_topic_id: str, delivered: Callable[[Chunk], None]
    ) -> None:
        self._delivery = delivery
        self._clicks = topic_name(Topic.CLICKS, prefix)
        self._decisions = topic_name(Topic.DECISIONS, prefix)
        self._feature_log = topic_name(Topic.FEATURE_LOG, prefix)
        self._dead_letters = topic_name(Topic.DEAD_LETTERS, prefix)
        self._topic_id = clicks_topic_id.encode()
        self._delivered = delivered

    def write_decisions(self, chunk: Chunk, decisions: list[Decision]) -> None:
        """Queue the chunk's decisions that the topic does not hold yet. They leave before everything else."""
        offsets, tails = chunk.decoded.offsets, chunk.lane.tails
        first = _first_above(offsets, tails.decisions)
        if first < len(offsets):
            chunk.deliveries_left += 1
            tails.decisions = offsets[-1]
            self._produce_decisions(chunk, decisions[first:])

    def write_log(self, chunk: Chunk, rows: Rows) -> None:
        """Queue the chunk's feature-log rows and dead letters that the topics do not hold yet."""
        offsets, tails = chunk.decoded.offsets, chunk.lane.tails
        first = _first_above(offsets, tails.feature_log)
        if first < len(offsets):
            chunk.deliveries_left += 1
            tails.feature_log = offsets[-1]
            self._produce_rows(chunk, rows, first)
        bad = [entry for entry in chunk.decoded.bad if entry.record.offset() > tails.dead_letters]
        if bad:
            chunk.deliveries_left += 1
            tails.dead_letters = bad[-1].record.offset()
            self._park(chunk, bad)

    def _done(self, chunk: Chunk) -> Delivered:
        return lambda: self._delivered(chunk)

    def _produce_decisions(self, chunk: Chunk, decisions: list[Decision]) -> None:
        produce, topic, partition = self._delivery.produce_silently, self._decisions, chunk.lane.partition
        for decision in decisions[:-1]:
            produce(topic, _encode(decision), decision.click_id, partition)
        last = decisions[-1]
        self._delivery.produce(topic, partition, _encode(last), last.click_id, delivered=self._done(chunk))

    def _produce_rows(self, chunk: Chunk, rows: Rows, first: int) -> None:
        offsets = chunk.decoded.offsets
        body = feature_log.encode(
            rows.decisions[first:],
            rows.features[first:],
            rows.account_hashes[first:],
            rows.session_clicks_1h[first:],
            rows.flags[first:],
        )
        headers: Headers = [
            (feature_log.SCHEMA_HEADER, feature_log.schema_id(rows.features.shape[1]).encode()),
            (feature_log.FIRST_OFFSET_HEADER, str(offsets[first]).encode()),
            (feature_log.LAST_OFFSET_HEADER, str(offsets[-1]).encode()),
            (feature_log.CLICKS_TOPIC_ID_HEADER, self._topic_id),
        ]
        self._delivery.produce(
            self._feature_log, chunk.lane.partition, body, headers=headers, delivered=self._done(chunk)
        )

    def _park(self, chunk: Chunk, bad: list[BadRecord]) -> None:
        partition = chunk.lane.partition
        for entry in bad:
            value, headers = park(entry, self._clicks, partition)
            delivered = self._done(chunk) if entry is bad[-1] else None
            self._delivery.produce(self._dead_letters, partition, value, headers=headers, delivered=delivered)


def _first_above(offsets: Sequence[int], tail: int) -> int:
    return 0 if not offsets or offsets[0] > tail else int(np.searchsorted(offsets, tail, side="right"))
