"""What a replay would change, from some of its clicks: blocks of records, evenly spread over the spans."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from billing.log import Stretch
from contracts.replay import Selection, Span
from replay.estimate import Block
from replay.logs import Logs, without
from replay.reading import open_reader
from replay.rescoring import Rescorer
from replay.rows import Rows, selected

BLOCKS: Final = 240
RECORDS_PER_BLOCK: Final = 8
MATCHING: Final = "matching"
INVALIDATED: Final = "invalidated"
RESTORED: Final = "restored"


class Sample(NamedTuple):
    """What was drawn: blocks, the share of all records that they are, the clicks in them, and the rate of deciding."""

    blocks: list[Block]
    drawn_ratio: float
    clicks: int
    clicks_per_s: float


def draw(
    logs: Logs,
    spans: Mapping[int, Span],
    selection: Selection,
    rescorer: Rescorer,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Sample:
    """Rescore a sample of the spans, or all where they are small. Raises Refused as `Rescorer` does."""
    pieces = list(_pieces(spans))
    blocks: list[Block] = []
    clicks, busy_s = 0, 0.0
    consumer = open_reader(logs.kafka)
    try:
        for number, (partition, log) in enumerate(pieces):
            part = replace(spans[partition], log_first=log.first, log_end=log.end)
            for rows in logs.rows(consumer, partition, part):
                started_s = time.perf_counter()
                blocks.append(_judged(rows, selection, rescorer))
                busy_s += time.perf_counter() - started_s
                clicks += len(rows.columns)
            on_progress(number + 1, len(pieces))
    finally:
        consumer.close()
    drawn = sum(log.end - log.first for _, log in pieces) / sum(map(records_of, spans.values()))
    return Sample(blocks, drawn, clicks, clicks / busy_s if busy_s else 0.0)


def records_of(span: Span) -> int:
    """How many records of the feature log there are to be read of a span."""
    return sum(log.end - log.first for log in _logs_of(span))


def has_advertiser(logs: Logs, spans: Mapping[int, Span], advertiser: str) -> bool:
    """Whether any click of the spans is the advertiser's: reads until it finds one."""
    only = Selection(advertisers=(advertiser,))
    consumer = open_reader(logs.kafka)
    try:
        for partition, span in spans.items():
            for rows in logs.rows(consumer, partition, span):
                if selected(rows, only).any():
                    return True
        return False
    finally:
        consumer.close()


def _logs_of(span: Span) -> list[Stretch]:
    return without(Stretch(span.log_first, span.log_end), span.missing)


def _pieces(spans: Mapping[int, Span]) -> Iterator[tuple[int, Stretch]]:
    """What to read: everything, or blocks at equal distances over the records of all partitions."""
    records = sum(map(records_of, spans.values()))
    if records <= BLOCKS * RECORDS_PER_BLOCK:
        yield from ((partition, log) for partition, span in spans.items() for log in _logs_of(span))
        return
    starts = np.linspace(0, records - RECORDS_PER_BLOCK, BLOCKS).astype(int)
    before = 0
    for partition, log in ((partition, log) for partition, span in spans.items() for log in _logs_of(span)):
        held = log.end - log.first
        for at in starts[(starts >= before) & (starts < before + held)].tolist():
            first = log.first + at - before
            yield partition, Stretch(first, min(log.end, first + RECORDS_PER_BLOCK))
        before += held


def _judged(rows: Rows, selection: Selection, rescorer: Rescorer) -> Block:
    chosen = rows.where(selected(rows, selection))
    counts, sums = Counter({MATCHING: len(chosen.columns), INVALIDATED: 0, RESTORED: 0}), Counter[str]()
    if len(chosen.columns):
        invalid = rescorer.rescore(chosen).invalid
        was = np.asarray(pa.compute.equal(chosen.columns["verdict"], "invalid"))
        costs, currencies = chosen.columns["cost_micros"].to_numpy(), np.asarray(chosen.columns["currency"])
        for name, flips in ((INVALIDATED, invalid & ~was), (RESTORED, ~invalid & was)):
            counts[name] = int(flips.sum())
            for currency in np.unique(currencies).tolist():
                sums[f"{name} {currency}"] = int(costs[flips & (currencies == currency)].sum())
    return Block(len(rows.columns), counts, sums)
