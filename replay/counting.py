"""Features counted again from clicks: their merged order goes into a feature store of its own as one partition.

    merged clicks 0 .. 255 | 256 .. 511 | ...  ──► store.count, some calls under way ──► answers by partition and offset

The store must be empty and nobody else's. What a worker counts nowhere (bad records, late clicks) is counted nowhere.
"""

import os
from collections import deque
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

import numpy as np
import numpy.typing as npt

from billing.log import Stretch
from contracts.errors import Misconfigured
from contracts.ports import CountCall, Counted, FeatureStore, RefusedCount
from features.answers import ANSWER_BYTES, UNSEEN_ANSWER
from replay.merging import Numbered
from replay.sharing import SharedIps
from streams.records import decode_clicks
from streams.threads import in_daemon_thread

# As a worker's on a backlog.
_CALL_RECORDS: Final = 256
_CALLS_UNDER_WAY: Final = 8
_PARTITION: Final = 0


class Answers:
    """Answers of the store to the clicks of some spans, on disk: 108 bytes a click, of whatever was not counted too.

    The files have no names, so that they end with the process, however that ends.
    """

    def __init__(self, folder: Path, spans: Mapping[int, Stretch]) -> None:
        self._spans = spans
        self._kept = {partition: _kept(folder, end - first) for partition, (first, end) in spans.items()}

    def put(self, record: Numbered, answer: npt.NDArray[np.uint8]) -> None:
        """Keep the answer (108,) to a click, unless it only warms up."""
        span = self._spans.get(record.partition)
        if span and span.first <= (offset := record.record.offset()) < span.end:
            self._kept[record.partition][offset - span.first] = answer

    def of(self, partition: int, offsets: npt.NDArray[np.int64]) -> bytes:
        """Answers to n clicks of a span, concatenated."""
        return self._kept[partition][offsets - self._spans[partition].first].tobytes()


def _kept(folder: Path, count: int) -> npt.NDArray[np.uint8]:
    """Room for so many answers (count, 108). Raises Misconfigured where the disk has none."""
    with TemporaryFile(dir=folder) as file:
        try:
            # Without it a disk that fills up later would end the process without a word.
            os.posix_fallocate(file.fileno(), 0, count * ANSWER_BYTES)
        except OSError as error:
            raise Misconfigured(
                f"{folder} has no room for {count * ANSWER_BYTES:,} bytes of counted features: {error.strerror}. Name "
                "another folder in TMPDIR, or take a shorter range."
            ) from error
        kept = np.memmap(file, np.uint8, "r+", shape=(count, ANSWER_BYTES))
    kept[:] = np.frombuffer(UNSEEN_ANSWER, np.uint8)
    return kept


async def count_again(store: FeatureStore, records: Iterable[Numbered], answers: Answers, ips: SharedIps) -> int:
    """Count clicks in their merged order, and see their addresses; returns how many records that were.

    Raises Misconfigured if the store holds something or somebody else counts in it, Unavailable if it is lost.
    """
    source = iter(records)
    under_way: deque[tuple[Sequence[Numbered], list[int], Awaitable[Counted | RefusedCount]]] = deque()
    watermark = None
    while call := await in_daemon_thread(lambda: list(islice(source, _CALL_RECORDS))):
        clicks, numbers = decode_clicks(call).counted()
        last = call[-1].number
        # Acknowledged at once, so that the store keeps no answers: after a failure all is counted from the beginning.
        asked = store.count(CountCall(_PARTITION, watermark, last, last, clicks, numbers))
        for click, number in zip(clicks, numbers, strict=True):
            ips.see(call[number - call[0].number].partition, click.ip)
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
