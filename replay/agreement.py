"""Recomputed against logged, click by click: the measure of how far features offline are those online. Pure.

A click whose features differ is explained if they differ only for its address, and several partitions share that: it is
the order in which workers came to count the clicks of an IP. It is explained, too, if its row says that it was decided
without its own state (flags). Of an account, a session or a campaign only one partition counts: nothing explains those.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from contracts.agreement import Agreed, Unexplained
from contracts.feature_log import Flag
from contracts.features import FEATURES, Entity
from contracts.ports import FloatMatrix

SHARED: Final[tuple[Entity, ...]] = ("ip", "ip_ua")
_IS_SHARED: Final = np.array([feature.entity in SHARED for feature in FEATURES])
_WITHOUT_STATE: Final = int(Flag.ANSWER_GONE | Flag.COLD)


class Agreement:
    """Takes in n clicks at a time."""

    def __init__(self) -> None:
        self._sums = np.zeros(8, np.int64)
        self._features = np.zeros(len(FEATURES), np.int64)
        self._clicks = 0

    def add(
        self, logged: FloatMatrix, again: FloatMatrix, flags: npt.NDArray[np.uint16], ip_shared: npt.NDArray[np.bool_],
        was_invalid: npt.NDArray[np.bool_], is_invalid: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_],
    ) -> npt.NDArray[np.bool_]:  # fmt: skip
        """Features (n, F) as logged and recomputed, the rows' flags (n,), verdicts (n,) by the release that decided.

        `ip_shared` (n,): several partitions share the click's address. `known` (n,): that release could be asked.
        Returns which of them (n,) are not explained.
        """
        equal = logged.view(np.uint32) == again.view(np.uint32)
        all_equal, private_equal = equal.all(axis=1), equal[:, ~_IS_SHARED].all(axis=1)
        without_state = ~all_equal & ((flags & _WITHOUT_STATE) > 0)
        shared = ~all_equal & ~without_state & private_equal & ip_shared
        explained = shared | without_state
        differs, same = known & (was_invalid != is_invalid), known & (was_invalid == is_invalid)
        self._sums += [
            np.count_nonzero(mask)
            for mask in (
                all_equal, shared, without_state, ~all_equal & ~explained,
                same, differs & explained, differs & ~explained, ~known,
            )
        ]  # fmt: skip
        self._features += np.count_nonzero(equal, axis=0)
        self._clicks += len(equal)
        unexplained: npt.NDArray[np.bool_] = (~all_equal | differs) & ~explained
        return unexplained

    def result(self, named: Sequence[Unexplained] = ()) -> Agreed:
        """All that was taken in; `named` are some of those that are not explained."""
        counts = dict(zip((feature.id for feature in FEATURES), self._features.tolist(), strict=True))
        equal, shared, without_state, unexplained, *verdicts = self._sums.tolist()
        return Agreed(
            self._clicks, equal, shared, without_state, unexplained,
            verdicts[0], verdicts[1], verdicts[2], verdicts[3], counts, tuple(named),
        )  # fmt: skip
