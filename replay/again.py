"""Rows of the feature log with features and rules made again from the clicks themselves.

    feature-log[p]   rows 10 .. 39      money, slice, verdict, flags: as logged
    clicks[p]             10 .. 39      rules that fire, by a release's lists
    answers               10 .. 39      features

What is logged beside them stays as it was, so that both can be compared.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from confluent_kafka import Consumer

from billing.log import Stretch, open_consumer
from contracts.errors import BadInput, Misconfigured
from contracts.features import FEATURE_INDEX
from contracts.ports import FloatMatrix
from contracts.replay import Span
from contracts.topics import Topic
from features.entities import EntityHasher
from features.vector import feature_matrix
from replay.counting import Answers
from replay.logs import Logs
from replay.reading import read_stretch
from replay.rows import MOST_ROWS, ReadRows, Rows
from replay.sharing import SharedIps
from rules.ruleset import RuleSet
from streams.records import Decoded, RawRecord, decode_clicks

_ACCOUNT_CAMPAIGN_GAP: Final = FEATURE_INDEX["account_campaign_gap_s"]
_RULES: Final = pa.list_(pa.string())


class Again(NamedTuple):
    """n rows as logged, the clicks that they are of, and their features counted again (n, F) float32.

    `shared` (n,): partitions share the click's address.
    """

    logged: Rows
    clicks: Decoded
    features: FloatMatrix
    shared: npt.NDArray[np.bool_]

    def by(self, rules: RuleSet) -> Rows:
        """The rows as the recomputation has them, with the rules that fire by these lists."""
        gaps = self.features[:, _ACCOUNT_CAMPAIGN_GAP].tolist()
        fired = rules.fired(self.clicks.clicks, self.clicks.timestamps_ms, gaps)
        columns = self.logged.columns
        place = columns.schema.get_field_index("rules")
        columns = columns.set_column(place, "rules", pa.array(fired, _RULES))
        return self.logged._replace(columns=columns, features=self.features)


@dataclass(frozen=True)
class ClickSource:
    """Reads rows and clicks of a deployment beside each other.

    `answers` are the store's to the clicks counted again, `ips` their addresses.
    """

    logs: Logs
    answers: Answers
    ips: SharedIps

    def read(
        self, consumer: Consumer, partition: int, span: Span, most_rows: int = MOST_ROWS
    ) -> Iterator[Again]:  # fmt: skip
        """As `Logs.rows`. Raises BadInput where a row has no click."""
        with closing(_Clicks(self.logs, partition, span)) as clicks:
            for rows in self.logs.rows(consumer, partition, span, most_rows):
                decoded = clicks.of(rows.offsets)
                features = feature_matrix(self.answers.of(partition, rows.offsets), decoded.clicks)
                yield Again(rows, decoded, features, self.ips.shared([click.ip for click in decoded.clicks]))

    def reader(self, rules: RuleSet) -> ReadRows:
        """In place of `Logs.rows`: rows as the recomputation has them, with the rules of these lists."""

        def read(*arguments: Any) -> Iterator[Rows]:
            for again in self.read(*arguments):
                yield again.by(rules)

        return read


def check_key(logs: Logs, spans: Mapping[int, Span], hasher: EntityHasher) -> None:
    """Raise Misconfigured where an account was logged under another key: what is distinct depends on it.

    All workers of a deployment have the same, so one click tells.
    """
    consumer = open_consumer(logs.kafka)
    try:
        for partition, span in spans.items():
            rows = logs.rows(consumer, partition, span)
            first = next((piece for piece in rows if len(piece.columns)), None)
            if first is None:
                continue
            with closing(_Clicks(logs, partition, span)) as clicks:
                (click,) = clicks.of(first.offsets[:1]).clicks
            if hasher.account(click) != first.columns["account_hash"][0].as_py():
                raise Misconfigured(
                    f"SLIDR_ENTITY_KEY is not the key of the workers that decided clicks[{partition}] offset "
                    f"{first.offsets[0]}: the account's hash in the feature log is another one. Counts of distinct "
                    "entities depend on the key: set the one that the workers had."
                )
            return
    finally:
        consumer.close()


class _Clicks:
    """Clicks of a span by offset, which must grow."""

    def __init__(self, logs: Logs, partition: int, span: Span) -> None:
        topic = logs.name(Topic.CLICKS)
        self._place = f"{topic}[{partition}]"
        self._consumer = open_consumer(logs.kafka)
        self._pieces = read_stretch(self._consumer, topic, partition, Stretch(span.first, span.end))
        self._waiting: list[RawRecord] = []

    def of(self, offsets: npt.NDArray[np.int64]) -> Decoded:
        """The clicks at these offsets."""
        wanted = offsets.tolist()
        while wanted and not (self._waiting and self._waiting[-1].offset() >= wanted[-1]):
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._waiting += cast(list[RawRecord], piece)
        chosen = set(wanted)
        decoded = decode_clicks([record for record in self._waiting if record.offset() in chosen])
        if decoded.offsets != wanted:
            missing = min(chosen - set(decoded.offsets))
            raise BadInput(
                f"{self._place} offset {missing}: the feature log has a row of it, but no click can be read there. "
                "Find out whether `clicks` was made anew since; plan without --recompute, which needs no clicks."
            )
        if wanted:
            self._waiting = [record for record in self._waiting if record.offset() > wanted[-1]]
        return decoded

    def close(self) -> None:
        """Give back the connection."""
        self._consumer.close()
