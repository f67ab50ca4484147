"""Feature-log rows, gathered into batches: one row costs as much to encode and to send as fifty.

    chunk A ──┐
    chunk B ──┼──► rows of one lane wait until there are enough, ──► one record batch ──► A, B and C delivered
    chunk C ──┘    another release decides or is scored, or GATHER_S has passed

A chunk is finished when its rows are delivered too, so what waits here is lost to nobody: after a crash it is decided
again, to the same answer, and written to the feature log only.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import numpy as np

from contracts.events import Decision, Verdict
from contracts.ports import FloatMatrix
from streams.lane import Chunk, Lane

ENOUGH_ROWS = 256
GATHER_S = 0.1
# Between two lanes, so that a click that comes meanwhile waits for one batch to be encoded, not for all.
BREATH_S = 0.002


class ShadowRows(NamedTuple):
    """What the shadow release says of n clicks: scores (n,) as a Decision would show them, and verdicts."""

    version: str
    scores: Sequence[float]
    verdicts: Sequence[Verdict]

    def part(self, rows: slice) -> "ShadowRows":
        """Some of them."""
        return ShadowRows(self.version, self.scores[rows], self.verdicts[rows])


class Rows(NamedTuple):
    """What was decided of n clicks, n >= 1: features (n, F) float32, account hashes and flags (n,)."""

    decisions: Sequence[Decision]
    features: FloatMatrix
    account_hashes: Sequence[bytes]
    flags: Sequence[int]
    shadow: ShadowRows | None = None

    @property
    def releases(self) -> tuple[str, str | None]:
        """The release that decided them all, and the one that was scored beside it."""
        return self.decisions[0].model_version, self.shadow.version if self.shadow else None

    def above(self, first: int) -> "Rows":
        """Without the first `first` rows."""
        rest = slice(first, None)
        return Rows(
            self.decisions[rest],
            self.features[rest],
            self.account_hashes[rest],
            self.flags[rest],
            self.shadow and self.shadow.part(rest),
        )


@dataclass
class Waiting:
    """Rows of one lane that wait, by chunk, in offset order."""

    chunks: list[Chunk] = field(default_factory=list)
    parts: list[Rows] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(len(part.decisions) for part in self.parts)

    def rows(self) -> Rows:
        """All of them."""
        if len(self.parts) == 1:
            return self.parts[0]
        decisions, features, hashes, flags, _ = zip(*self.parts, strict=True)
        return Rows(
            list(chain(*decisions)),
            np.concatenate(features),
            list(chain(*hashes)),
            list(chain(*flags)),
            _joined([part.shadow for part in self.parts if part.shadow]),
        )


def _joined(shadows: Sequence[ShadowRows]) -> ShadowRows | None:
    if not shadows:
        return None
    scores, verdicts = (list(chain(*columns)) for columns in zip(*(shadow[1:] for shadow in shadows), strict=True))
    return ShadowRows(shadows[0].version, scores, verdicts)


class FeatureRows:
    """Gathers rows and hands them on: `write(chunks, rows)`, all of one lane and the same releases, in offset order."""

    def __init__(self, write: Callable[[Sequence[Chunk], Rows], None]) -> None:
        self._write = write
        self._waiting: dict[Lane, Waiting] = {}
        self._any = asyncio.Event()

    def add(self, chunk: Chunk, rows: Rows) -> None:
        """Take in the rows of a chunk, which come after those of the lane's chunks before it."""
        lane = chunk.lane
        if (before := self._waiting.get(lane)) and before.parts[0].releases != rows.releases:
            self._flush(lane)
        waiting = self._waiting.setdefault(lane, Waiting())
        waiting.chunks.append(chunk)
        waiting.parts.append(rows)
        if len(waiting) >= ENOUGH_ROWS:
            self._flush(lane)
        else:
            self._any.set()

    async def hand_on(self) -> None:
        """Hand on what has waited for long enough. Runs until cancelled; an exception ends the worker."""
        while True:
            await self._any.wait()
            self._any.clear()
            await asyncio.sleep(GATHER_S)
            for lane in list(self._waiting):
                self._flush(lane)
                await asyncio.sleep(BREATH_S)

    def _flush(self, lane: Lane) -> None:
        if waiting := self._waiting.pop(lane, None):
            self._write(waiting.chunks, waiting.rows())
