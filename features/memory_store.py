"""The reference: a feature store in plain Python, for tests, training history and recomputation.

Same answers and the same states as the Redis store, bit for bit. What it keeps grows with the entities seen, until
`forget_idle` is called.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from contracts.events import Click
from contracts.ports import CountCall, Counted, Recall, RefusedCount
from features.answers import ANSWER_BYTES, pack_answer, split_answers
from features.entities import EntityHasher, Visit
from features.layout import STORED_ANSWERS_MOST, Keys, account_bytes, counter_bytes, ip_bytes
from features.states import AccountState, IpState
from features.windows import WindowCounter, within_reach

T = TypeVar("T")


class _StoredCall(NamedTuple):
    watermark: int
    offsets: tuple[int, ...]
    answers: bytes


class MemoryFeatureStore:
    """Counters of all entities in this process. See `contracts.ports.FeatureStore`; nothing here waits for anything."""

    answer_bytes: Final = ANSWER_BYTES

    def __init__(self, entity_key: str, namespace: str = "") -> None:
        # Public, since others who name entities need not hash them again.
        self.hasher = EntityHasher(entity_key)
        self._keys = Keys(namespace)
        self._accounts: dict[bytes, AccountState] = {}
        self._ips: dict[bytes, IpState] = {}
        self._ip_uas: dict[bytes, WindowCounter] = {}
        self._watermarks: dict[int, int] = {}
        self._stored: dict[int, deque[_StoredCall]] = {}

    def count(self, call: CountCall) -> Awaitable[Counted | RefusedCount]:
        """Count if the watermark is as expected, store the answers, advance the watermark."""
        watermark = self._watermarks.get(call.partition)
        if watermark != call.expected_watermark:
            return _done(RefusedCount(watermark))
        answers = self.count_clicks(call.clicks)
        self._store(call, answers)
        self._watermarks[call.partition] = call.watermark
        return _done(Counted(answers))

    def recall(self, partition: int) -> Awaitable[Recall]:
        """Watermark and stored answers of a partition."""
        answers: dict[int, bytes] = {}
        for stored in self._stored.get(partition, ()):
            answers |= zip(stored.offsets, split_answers(stored.answers), strict=True)
        return _done(Recall(self._watermarks.get(partition), answers))

    def peek(self, clicks: Sequence[Click]) -> Awaitable[bytes]:
        """Answers as of each click's time, or of each entity's newest click if later; nothing is counted."""
        return _done(b"".join(self._peek(visit) for visit in self.hasher.visits(clicks)))

    def watermarks(self, partitions: Sequence[int]) -> Awaitable[list[int | None]]:
        """The watermarks of several partitions."""
        return _done([self._watermarks.get(partition) for partition in partitions])

    async def close(self) -> None:
        """Nothing to give back."""

    def count_clicks(self, clicks: Sequence[Click]) -> bytes:
        """Count clicks of no partition, for training history: their answers, concatenated."""
        return b"".join([self._count(visit) for visit in self.hasher.visits(clicks)])

    def forget_idle(self, now_ms: int) -> None:
        """Drop entities idle for so long that at `now_ms` they equal new ones; no answer changes from then on.

        `now_ms` is event time: no click before it may come that is not itself out of reach of the longest window.
        """
        self._accounts = {k: s for k, s in self._accounts.items() if within_reach(s.account.counter.newest_ms, now_ms)}
        self._ips = {k: s for k, s in self._ips.items() if within_reach(s.ip.counter.newest_ms, now_ms)}
        self._ip_uas = {k: s for k, s in self._ip_uas.items() if within_reach(s.newest_ms, now_ms)}

    def dump(self) -> dict[bytes, bytes]:
        """Bytes of every entity's state by key, as the Redis store keeps them."""
        return {
            **{self._keys.account + digest: account_bytes(state) for digest, state in self._accounts.items()},
            **{self._keys.ip + digest: ip_bytes(state) for digest, state in self._ips.items()},
            **{self._keys.ip_ua + digest: counter_bytes(state) for digest, state in self._ip_uas.items()},
        }

    def _count(self, visit: Visit) -> bytes:
        account = _get_or_add(self._accounts, visit.account, AccountState)
        ip = _get_or_add(self._ips, visit.ip, IpState)
        ip_ua = _get_or_add(self._ip_uas, visit.ip_ua, WindowCounter)
        return pack_answer(account.count(visit), ip.count(visit), ip_ua.count(visit.t_ms))

    def _peek(self, visit: Visit) -> bytes:
        account = self._accounts.get(visit.account) or AccountState()
        ip = self._ips.get(visit.ip) or IpState()
        ip_ua = self._ip_uas.get(visit.ip_ua) or WindowCounter()
        return pack_answer(account.peek(visit), ip.peek(visit), ip_ua.peek(visit.t_ms))

    def _store(self, call: CountCall, answers: bytes) -> None:
        stored = self._stored.setdefault(call.partition, deque())
        while stored and stored[0].watermark <= call.acknowledged:
            stored.popleft()
        if call.clicks and call.watermark > call.acknowledged:
            stored.append(_StoredCall(call.watermark, tuple(call.offsets), answers))
        while sum(len(kept.offsets) for kept in stored) > STORED_ANSWERS_MOST:
            stored.popleft()


def _get_or_add(states: dict[bytes, T], digest: bytes, new: Callable[[], T]) -> T:
    state = states.get(digest)
    if state is None:
        state = states[digest] = new()
    return state


def _done(value: T) -> Awaitable[T]:
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    future.set_result(value)
    return future
