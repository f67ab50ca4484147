"""From judged chunks to records in decisions, feature log and dead letters, each above that output's own tail.

The decision for `clicks[p]` goes to `decisions[p]`; so do the other two. What an output holds already, after a crash
or a rebalance, is not written again, and the chunk is finished when the last record of each part is delivered.
"""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from contracts import feature_log
from contracts.events import LIVE, Click, Decision
from contracts.topics import Topic, topic_name
from features.vector import SESSION_CLICKS_1H
from streams.dead_letters import park
from streams.delivery import Delivered, Delivery, Headers
from streams.feature_rows import FeatureRows, Rows
from streams.judge import Judged
from streams.lane import Chunk

_encode = msgspec.json.Encoder().encode


def decisions_of(chunk: Chunk, judged: Judged, part: slice, version: str, decided_at_ms: int) -> list[Decision]:
    """The chunk's decisions; its clicks are `part` of those judged."""
    decoded = chunk.decoded
    return live_decisions(
        decoded.clicks, decoded.offsets, chunk.lane.partition, judged.part(part), version, decided_at_ms
    )


def live_decisions(
    clicks: Sequence[Click],
    offsets: Sequence[int],
    partition: int,
    judged: Judged,
    version: str,
    decided_at_ms: int,
) -> list[Decision]:
    """Decisions of clicks of one partition, judged in this order."""
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
            clicks,
            offsets,
            verdicts.verdict,
            verdicts.reason,
            verdicts.score,
            verdicts.threshold,
            verdicts.slice,
            judged.fired,
            strict=True,
        )
    ]


class Outputs:
    """Writes chunks through one `Delivery`. `delivered(chunks)` is called from any thread, once per part of a chunk."""

    def __init__(
        self, delivery: Delivery, prefix: str, clicks_topic_id: str, delivered: Callable[[Sequence[Chunk]], None]
    ) -> None:
        self._delivery = delivery
        self._clicks = topic_name(Topic.CLICKS, prefix)
        self._decisions = topic_name(Topic.DECISIONS, prefix)
        self._feature_log = topic_name(Topic.FEATURE_LOG, prefix)
        self._dead_letters = topic_name(Topic.DEAD_LETTERS, prefix)
        self._topic_id = clicks_topic_id.encode()
        self._delivered = delivered
        self._rows = FeatureRows(self._produce_rows)
        self.hand_on_rows = self._rows.hand_on

    def write_decisions(self, chunk: Chunk, decisions: list[Decision]) -> None:
        """Queue the chunk's decisions that the topic does not hold yet. They leave before everything else."""
        offsets, tails = chunk.decoded.offsets, chunk.lane.tails
        first = _first_above(offsets, tails.decisions)
        if first < len(offsets):
            chunk.deliveries_left += 1
            tails.decisions = offsets[-1]
            self._produce_decisions(chunk, decisions[first:])

    def write_rows(self, chunk: Chunk, rows: Rows) -> None:
        """Add the chunk's rows that the feature log does not hold yet to those that it will get in a moment."""
        offsets, tails = chunk.decoded.offsets, chunk.lane.tails
        first = _first_above(offsets, tails.feature_log)
        if first < len(offsets):
            chunk.deliveries_left += 1
            tails.feature_log = offsets[-1]
            self._rows.add(chunk, rows.above(first) if first else rows)

    def park(self, chunk: Chunk) -> None:
        """Queue the chunk's bad records that dead-letters does not hold yet."""
        tails, partition = chunk.lane.tails, chunk.lane.partition
        bad = [entry for entry in chunk.decoded.bad if entry.record.offset() > tails.dead_letters]
        if not bad:
            return
        chunk.deliveries_left += 1
        tails.dead_letters = bad[-1].record.offset()
        for entry in bad:
            value, headers = park(entry, self._clicks, partition)
            delivered = self._done([chunk]) if entry is bad[-1] else None
            self._delivery.produce(self._dead_letters, partition, value, headers=headers, delivered=delivered)

    def _done(self, chunks: Sequence[Chunk]) -> Delivered:
        return lambda: self._delivered(chunks)

    def _produce_decisions(self, chunk: Chunk, decisions: list[Decision]) -> None:
        produce, topic, partition = self._delivery.produce_silently, self._decisions, chunk.lane.partition
        for decision in decisions[:-1]:
            produce(topic, _encode(decision), decision.click_id, partition)
        last = decisions[-1]
        self._delivery.produce(topic, partition, _encode(last), last.click_id, delivered=self._done([chunk]))

    def _produce_rows(self, chunks: Sequence[Chunk], rows: Rows) -> None:
        lane, decisions, features = chunks[0].lane, rows.decisions, rows.features
        if lane.closed:  # lost while the rows waited: whoever has the partition now writes them
            self._delivered(chunks)
            return
        shadow = rows.shadow and (rows.shadow.scores, rows.shadow.verdicts)
        body = feature_log.encode(
            decisions, features, rows.account_hashes, features[:, SESSION_CLICKS_1H], rows.flags, shadow
        )
        headers: Headers = [
            (feature_log.SCHEMA_HEADER, feature_log.schema_id(features.shape[1]).encode()),
            (feature_log.FIRST_OFFSET_HEADER, str(decisions[0].source_offset).encode()),
            (feature_log.LAST_OFFSET_HEADER, str(decisions[-1].source_offset).encode()),
            (feature_log.CLICKS_TOPIC_ID_HEADER, self._topic_id),
        ]
        if rows.shadow:
            headers.append((feature_log.SHADOW_HEADER, rows.shadow.version.encode()))
        self._delivery.produce(self._feature_log, lane.partition, body, headers=headers, delivered=self._done(chunks))


def _first_above(offsets: Sequence[int], tail: int) -> int:
    return 0 if not offsets or offsets[0] > tail else int(np.searchsorted(offsets, tail, side="right"))
