"""The ports of decision path and archive: what they need, named for the need. Adapters are named for the technology.

Timeline of one source partition, as the feature store sees it:

    offset      90 ... 99 | 100 ... 163 | 164 ... 227 | 228
                counted     call A        call B
    watermark          99 ->        163 ->        227
    A expects 99; B expects 163. B before A, or after a refused A, is refused: nothing is counted out of turn.
"""

from collections.abc import Awaitable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from contracts.events import Click

FloatMatrix = npt.NDArray[np.float32]

# The watermark of a partition of which nothing has been counted from the first offset on.
NOTHING_COUNTED = -1


class CountCall(NamedTuple):
    """Count the clicks of one source partition whose offsets lie above `expected_watermark` up to `watermark`.

    `clicks` and `offsets` hold only those to be counted, in offset order: bad records and clicks outside the lateness
    bounds are left out, and the watermark passes over them. `acknowledged` is the highest offset whose outputs are
    all delivered: stored answers up to it are removed, and answers of a call at or below it are not stored.
    """

    partition: int
    expected_watermark: int | None
    watermark: int
    acknowledged: int
    clicks: Sequence[Click]
    offsets: Sequence[int]


class Counted(NamedTuple):
    """The call counted. `answers` holds one fixed-size answer per click, concatenated in the call's order."""

    answers: bytes


class RefusedCount(NamedTuple):
    """Nothing was changed: the store's watermark is `watermark` (None: absent), not what the call expected."""

    watermark: int | None


class Recall(NamedTuple):
    """What the store knows of a partition: its watermark, and the stored answer of each offset still kept."""

    watermark: int | None
    answers: Mapping[int, bytes]


class FeatureStore(Protocol):
    """Counters of all entities, and one watermark per source partition.

    Every method raises `Unavailable` when the server cannot be reached; whether a call that failed so was counted is
    answered by `recall`. Calls are carried out in the order in which the methods were called.
    """

    @property
    def answer_bytes(self) -> int:
        """Size of one click's answer."""
        ...

    def count(self, call: CountCall) -> Awaitable[Counted | RefusedCount]:
        """Count atomically if the watermark is exactly `expected_watermark` (None: absent), else change nothing."""
        ...

    def recall(self, partition: int) -> Awaitable[Recall]:
        """Watermark and stored answers of a partition."""
        ...

    def peek(self, clicks: Sequence[Click]) -> Awaitable[bytes]:
        """Answers from the current state, counting nothing: for known clicks whose stored answer is gone."""
        ...

    def watermarks(self, partitions: Sequence[int]) -> Awaitable[list[int | None]]:
        """The watermarks of several partitions, in one round trip: shows at once when state was lost."""
        ...

    async def close(self) -> None:
        """Give back the connection."""
        ...


class EntityHashes(Protocol):
    """Names of users, sessions and addresses that tell nothing without the key: keyed hashes of 16 bytes."""

    @property
    def key_id(self) -> str:
        """Tells keys apart; says nothing of the key. Hashes of different keys cannot be compared."""
        ...

    def user(self, user_id: str) -> bytes:
        """Hash of a user."""
        ...

    def session(self, session_id: str) -> bytes:
        """Hash of a session."""
        ...

    def ip(self, ip: str) -> bytes:
        """Hash of an IP address."""
        ...


class Scorer(Protocol):
    """A model that is ready to score. A score does not depend on the batch that it is computed in."""

    @property
    def provider(self) -> str:
        """What really runs the model."""
        ...

    def score(self, features: FloatMatrix) -> npt.NDArray[np.float32]:
        """Robot probability per row: (n, F) float32, F the release's feature ids in order -> (n,) float32 in [0, 1]."""
        ...
