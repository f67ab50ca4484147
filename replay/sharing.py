"""Which addresses clicked in several partitions: only of those does the order of counting depend on the workers."""

from collections.abc import Sequence
from typing import Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

# 64 MB. Of a million addresses 3 % share a slot with another one, and may count as shared though they are not.
_SLOTS: Final = 1 << 25
_SEVERAL: Final = 0xFFFF


class SharedIps:
    """One slot for each hash of an address: 0 unseen, n + 1 seen in partition n alone, else in several."""

    def __init__(self) -> None:
        self._slots = np.zeros(_SLOTS, np.uint16)

    def see(self, partition: int, ip: str) -> None:
        """A click of the address was counted in this partition."""
        slot, own = _slot(ip), partition + 1
        known = self._slots[slot]
        if known != own:
            self._slots[slot] = _SEVERAL if known else own

    def shared(self, ips: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Whether each of n addresses was seen in several partitions, (n,)."""
        found: npt.NDArray[np.bool_] = self._slots[[_slot(ip) for ip in ips]] == _SEVERAL
        return found


def _slot(ip: str) -> int:
    return crc32(ip.encode()) % _SLOTS
