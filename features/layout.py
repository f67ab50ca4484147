"""The bytes of a state and of its key. Another layout gets another id: it starts empty and heals.

Numbers are little-endian. States are as long as what they hold, and bounded:

    counter   u8 tiles (1 to 27), u16 newest click's ms within its finest tile,
              then from the newest to the oldest tile: u32 start in 10 s, u32 clicks
    sketches  4 x u8 occupied slots (first 1 h, 24 h, second 1 h, 24 h), then of both sketches the slots occupied
              within 24 h, in order: u8 slot, u8 last hit's quantum mod 255 + 1
    IP + UA   counter                                                                    11 to 219 bytes
    IP        counter, sketches                                                          17 to 735 bytes
    account   counter, sketches, u8 sessions kept, u8 campaigns kept,                    59 to 2,099 bytes
              then of each of these the first 8 bytes of its digest and its counter
"""

import struct
from typing import Any, TypeVar

from contracts.errors import Misconfigured
from contracts.topics import MAX_IN_FLIGHT_RECORDS
from features.sketches import QUANTUM_MS, DistinctSketch
from features.states import (
    CAMPAIGNS_KEPT,
    NAME_BYTES,
    SESSIONS_KEPT,
    AccountState,
    IpState,
    SketchedCounter,
)
from features.windows import SPANS, TILE_MS, WHOLE_TILES, WindowCounter

T = TypeVar("T")
LAYOUT_ID = "1"
# A partition keeps at most so many answers that were not acknowledged, the latest: some 1.9 MB.
STORED_ANSWERS_MOST = MAX_IN_FLIGHT_RECORDS
# More than the oldest age, so that a stamp tells the quantum.
STAMPS = 255
# Seven of each window; 27 at most, since a coarse tile hides behind finer ones.
MOST_TILES = len(SPANS) * (WHOLE_TILES + 1)
_HEAD = struct.Struct("<BH")


class Keys:
    """Names of what a store keeps. All carry the hash tag {0}: one shard holds everything.

    `source` names the topic that partitions belong to: a topic made anew under the same name starts anew.
    """

    def __init__(self, namespace: str = "", source: str = "") -> None:
        if "{" in namespace or "}" in namespace:
            raise Misconfigured(f"The Redis namespace {namespace!r} has braces, which Redis reads as a hash tag.")
        self.prefix = f"{namespace}{{0}}{LAYOUT_ID}".encode()
        self._source = source.encode()
        self.account, self.ip, self.ip_ua = (self.prefix + kind for kind in (b"a", b"i", b"u"))

    def watermark(self, partition: int) -> bytes:
        """Key of a source partition's watermark, a decimal number."""
        return self.prefix + b"w%b%d" % (self._source, partition)

    def stored_answers(self, partition: int) -> bytes:
        """Key of the list of a source partition's calls and their answers."""
        return self.prefix + b"s%b%d" % (self._source, partition)


def counter_bytes(counter: WindowCounter) -> bytes:
    """Bytes of a counter that has counted something."""
    tiles = [number for tile in reversed(counter.tiles.items()) for number in tile]
    head = _HEAD.pack(len(counter.tiles), counter.newest_ms % TILE_MS)
    return head + struct.pack(f"<{len(tiles)}I", *tiles)


def account_bytes(state: AccountState) -> bytes:
    """Bytes of an account's state."""
    kept = [*state.sessions.counters.items(), *state.campaigns.counters.items()]
    return b"".join(
        (
            _sketched_bytes(state.account),
            bytes((len(state.sessions.counters), len(state.campaigns.counters))),
            *(name + counter_bytes(counter) for name, counter in kept),
        )
    )


def ip_bytes(state: IpState) -> bytes:
    """Bytes of an IP's state."""
    return _sketched_bytes(state.ip)


def read_account(state: bytes | None) -> AccountState:
    """State of an account; a new one if there is none, or bytes that are none."""
    try:
        return _Reader(state).account()
    except struct.error:
        return AccountState()


def read_ip(state: bytes | None) -> IpState:
    """State of an IP; a new one if there is none, or bytes that are none."""
    try:
        return _Reader(state).ip()
    except struct.error:
        return IpState()


def read_ip_ua(state: bytes | None) -> WindowCounter:
    """State of an IP + user agent; a new one if there is none, or bytes that are none."""
    try:
        return _Reader(state).ip_ua()
    except struct.error:
        return WindowCounter()


def _sketched_bytes(entity: SketchedCounter) -> bytes:
    newest = entity.counter.newest_ms // QUANTUM_MS
    occupied = bytes(n for sketch in entity.sketches for n in sketch.occupied(newest))
    return counter_bytes(entity.counter) + occupied + b"".join(_slots(sketch) for sketch in entity.sketches)


def _slots(sketch: DistinctSketch) -> bytes:
    return b"".join(bytes((slot, hit % STAMPS + 1)) for slot, hit in sorted(sketch.last_hit.items()))


class _Reader:
    """Reads one state from its beginning to exactly its end; struct.error says that the bytes are no state."""

    def __init__(self, state: bytes | None) -> None:
        self.state = state or b""
        self.at = 0

    def ip_ua(self) -> WindowCounter:
        return self._end(self._counter())

    def ip(self) -> IpState:
        return self._end(IpState(self._sketched()))

    def account(self) -> AccountState:
        account = self._sketched()
        sessions, campaigns = self._take("<BB")
        if sessions > SESSIONS_KEPT or campaigns > CAMPAIGNS_KEPT:
            raise struct.error
        return self._end(AccountState(account, self._named(sessions), self._named(campaigns)))

    def _sketched(self) -> SketchedCounter:
        counter = self._counter()
        _, first, _, second = self._take("<4B")
        newest = counter.newest_ms // QUANTUM_MS
        return SketchedCounter(counter, (self._sketch(first, newest), self._sketch(second, newest)))

    def _sketch(self, occupied: int, newest: int) -> DistinctSketch:
        pairs = self._take(f"<{2 * occupied}B")
        return DistinctSketch(
            {slot: newest - (newest + 1 - stamp) % STAMPS for slot, stamp in zip(pairs[::2], pairs[1::2], strict=True)}
        )

    def _named(self, n: int) -> dict[bytes, WindowCounter]:
        return {self._take(f"<{NAME_BYTES}s")[0]: self._counter() for _ in range(n)}

    def _counter(self) -> WindowCounter:
        n, within_ms = self._take("<BH")
        if not 1 <= n <= MOST_TILES:
            raise struct.error
        numbers = self._take(f"<{2 * n}I")
        tiles = dict(zip(numbers[-2::-2], numbers[-1::-2], strict=True))
        return WindowCounter(numbers[0] * TILE_MS + within_ms, tiles)

    def _take(self, form: str) -> tuple[Any, ...]:
        taken = struct.unpack_from(form, self.state, self.at)
        self.at += struct.calcsize(form)
        return taken

    def _end(self, read: T) -> T:
        if self.at != len(self.state):
            raise struct.error
        return read
