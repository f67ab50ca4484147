"""Features counted again from clicks: their merged order goes into a feature store of its own as one partition.

    merged clicks 0 .. 255 | 256 .. 511 | ...  ──► store.count, some calls under way ──► answers by partition and offset

The store must be empty and nobody else's. What a worker counts nowhere (bad records, late clicks) is counted nowhere.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from billing.log import Stretch
from contracts.errors import Misconfigured
from contracts.ports import CountCall, Counted, FeatureStore, RefusedCount
from features.answers import ANSWER_BYTES, UNSEEN_ANSWER
from replay.merging import Numbered
from streams.records import decode_clicks

# As a worker's on a backlog.
_CALL_RECORDS: Final = 256
_CALLS_UNDER_WAY: Final = 8
_PARTITION: Final = 0


class Answers:
    """Answers of the store to the clicks of some spans, on disk: 108 bytes a click, of whatever was not counted too."""

    def __init__(self, folder: Path, spans: Mapping[int, Stretch]) -> None:
        self._spans = spans
        self._kept = {
            partition: np.memmap(folder / f"{partition}.answers", np.uint8, "w+", shape=(end - first, ANSWER_BYTES))
            for partition, (first, end) in spans.items()
        }
        for kept in self._kept.values():
            kept[:] = np.frombuffer(UNSEEN_ANSWER, np.uint8)

    def put(self, record: Numbered, answer: npt.NDArray[np.uint8]) -> None:
        """Keep the answer (108,) to a click, unless it only warms up."""
        span = self._spans.get(record.partition)
        if span and span.first <= (offset := record.record.offset()) < span.end:
            self._kept[record.partition][offset - span.first] = answer

    def of(self, partition: int, offsets: npt.NDArray[np.int64]) -> bytes:
        """Answers to n clicks of a span, concatenated."""
        return self._kept[partition][offsets - self._spans[partition].first].tobytes()


async def count_again(store: FeatureStore, records: Iterable[Numbered], answers: Answers) -> int:
    """Count clicks in their merged order; returns how many records that were.

    Raises Misconfigured if the store holds something or somebody else counts in it, Unavailable if it is lost.
    """
    source = iter(records)
    under_way: deque[tuple[Sequence[Numbered], list[int], Awaitable[Counted | RefusedCount]]] = deque()
    watermark = None
    while call := await asyncio.to_thread(lambda: list(islice(source, _CALL_RECORDS))):
        clicks, numbers = decode_clicks(call).counted()
        last = call[-1].number
        # Acknowledged at once, so that the store keeps no answers: after a failure all is counted from the beginning.
        asked = store.count(CountCall(_PARTITION, watermark, last, last, clicks, numbers))
        under_way.append((call, numbers, asked))
        watermark = last
        if len(under_way) >= _CALLS_UNDER_WAY:
            await _keep(answers, *under_way.popleft())
    while under_way:
        await _keep(answers, *under_way.popleft())
    return 0 if watermark is None else watermark + 1


async def _keep(
    answers: Answers, call: Sequence[Numbered], numbers: list[int], asked: Awaitable[Counted | RefusedCount]
) -> None:  # fmt: skip
    answer = await asked
    if isinstance(answer, RefusedCount):
        raise Misconfigured(
            f"The store of the recomputation stands at {answer.watermark}, not at the click before {call[0].number}: "
            "it was not empty, or somebody else counts in it. Give each recomputation an empty store of its own."
        )
    found = np.frombuffer(answer.answers, np.uint8).reshape(-1, ANSWER_BYTES)
    for number, one in zip(numbers, found, strict=True):
        answers.put(call[number - call[0].number], one)
