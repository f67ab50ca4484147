"""Counters in Redis: one call of `count.lua` per batch of one source partition, atomic and pipelined.

    {0}1a<digest>    an account       {0}1w<source><partition>   its watermark, a decimal number
    {0}1i<digest>    an IP            {0}1s<source><partition>   its calls that are not acknowledged, with their answers
    {0}1u<digest>    an IP + UA       before all of them the namespace, if there is one

Watermarks never expire. Entities expire `ttl_hours` after their last renewal, which happens when they are new and then
once in 12 h of event time. A state that is idle for 28 h of event time equals a new one, so no answer depends on the
expiry as long as processing lags less than `ttl_hours` - 40 h behind the clicks.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from typing import Any, Final

from contracts.errors import Misconfigured
from contracts.events import Click
from contracts.ports import CountCall, Counted, Recall, RefusedCount
from features.answers import ANSWER_BYTES, pack_answer
from features.call import pack_call, read_recall, read_watermark
from features.entities import EntityHasher, Visit
from features.layout import Keys, read_account, read_ip, read_ip_ua
from features.redis_address import read_redis_url
from features.redis_connection import Command, RedisConnection, RedisLink

# 28 h until an idle state equals a new one, and up to 12 h since its last renewal.
TTL_HOURS_LEAST: Final = 40
_SCRIPT_FILES = ("windows.lua", "sketches.lua", "states.lua", "count.lua")
_LEAST_VERSION = (6, 2)


class RedisFeatureStore:
    """Counters shared by all workers. See `contracts.ports.FeatureStore`; make one with `connect`.

    A lost connection is opened again by the next call. What was in flight fails with `Unavailable`; whether it was
    counted is answered by `recall`. A call whose expected watermark is out of date is refused, so sending one twice
    is safe.
    """

    answer_bytes: Final = ANSWER_BYTES

    def __init__(self, url: str, entity_key: str, namespace: str, ttl_hours: int, source: str) -> None:
        if ttl_hours < TTL_HOURS_LEAST:
            raise Misconfigured(
                f"Counters would expire after {ttl_hours} h. Below {TTL_HOURS_LEAST} h that changes what is counted: "
                f"set {TTL_HOURS_LEAST} h and as long as processing may ever lag behind."
            )
        # Public, since others who name entities need not hash them again.
        self.hasher = EntityHasher(entity_key)
        self._keys = Keys(namespace, source)
        self._ttl_s = ttl_hours * 3600
        self._script = "\n".join(files("features").joinpath(name).read_text() for name in _SCRIPT_FILES)
        self._sha = hashlib.sha1(self._script.encode(), usedforsecurity=False).hexdigest()
        self._link = RedisLink(read_redis_url(url), self._prepare)

    @classmethod
    async def connect(
        cls, url: str, entity_key: str, namespace: str = "", ttl_hours: int = 72, source: str = ""
    ) -> "RedisFeatureStore":
        """A store whose server answers and fits; `source` is the id of the topic that is counted.

        Raises Misconfigured or Unavailable.
        """
        store = cls(url, entity_key, namespace, ttl_hours, source)
        try:
            await store.watermarks([0])
        except BaseException:
            await store.close()
            raise
        return store

    def count(self, call: CountCall) -> Awaitable[Counted | RefusedCount]:
        """Count if the watermark is as expected, store the answers, advance the watermark; all or nothing."""
        keys, arguments = pack_call(call, self.hasher.visits(call.clicks), self._keys, self._ttl_s)
        return self._link.call([("EVALSHA", self._sha, str(len(keys)), *keys, *arguments)], _read_count)

    def recall(self, partition: int) -> Awaitable[Recall]:
        """Watermark and stored answers of a partition, of one moment."""
        watermark, stored = self._keys.watermark(partition), self._keys.stored_answers(partition)
        commands: list[Command] = [("MULTI",), ("GET", watermark), ("LRANGE", stored, "0", "-1"), ("EXEC",)]
        return self._link.call(commands, lambda replies: read_recall(*replies[-1]))

    def peek(self, clicks: Sequence[Click]) -> Awaitable[bytes]:
        """Answers as of each click's time, or of each entity's newest click if later; nothing is counted."""
        visits = self.hasher.visits(clicks)
        names = [name for visit in visits for name in self._names(visit)]
        return self._get(names, lambda states: _peek(visits, states))

    def watermarks(self, partitions: Sequence[int]) -> Awaitable[list[int | None]]:
        """The watermarks of several partitions, in one round trip."""
        names = [self._keys.watermark(partition) for partition in partitions]
        return self._get(names, lambda values: [read_watermark(value) for value in values])

    async def close(self) -> None:
        """Give back the connection."""
        await self._link.close()

    async def dump(self) -> dict[bytes, bytes]:
        """Bytes of every entity's state by key. Walks through the whole server: for tests and inspection."""
        states: dict[bytes, bytes] = {}
        pattern, cursor = _escaped(self._keys.prefix) + b"[aiu]*", b""
        while cursor != b"0":
            command = ("SCAN", cursor or b"0", "MATCH", pattern, "COUNT", "1000")
            cursor, names = await self._link.call([command], lambda replies: replies[0])
            found = await self._get(names, list)
            states |= {name: state for name, state in zip(names, found, strict=True) if state is not None}
        return states

    def _get(self, names: Sequence[bytes], read: Callable[[list[Any]], Any]) -> asyncio.Future[Any]:
        # One name more than asked for, since Redis refuses to read none.
        return self._link.call([("MGET", *names, self._keys.prefix)], lambda replies: read(replies[0][:-1]))

    def _names(self, visit: Visit) -> tuple[bytes, bytes, bytes]:
        keys = self._keys
        return keys.account + visit.account, keys.ip + visit.ip, keys.ip_ua + visit.ip_ua

    async def _prepare(self, connection: RedisConnection) -> None:
        info = _read_info((await connection.call([("INFO",)]))[0])
        version = info.get("redis_version", "0")
        if tuple(int(part) for part in version.split(".")[:2]) < _LEAST_VERSION:
            raise Misconfigured(f"{connection.address} has version {version}; SLIDR needs 6.2 or newer.")
        if info.get("redis_mode") == "cluster":
            raise Misconfigured(
                f"{connection.address} is in cluster mode; this version keeps all counters on one server."
            )
        if (policy := info.get("maxmemory_policy", "noeviction")) != "noeviction":
            raise Misconfigured(
                f"{connection.address} has maxmemory-policy {policy}: it would throw counters away when memory is "
                "short, and clicks would be decided on wrong counts. Set maxmemory-policy noeviction."
            )
        await connection.call([("SCRIPT", "LOAD", self._script)])


def _read_count(replies: list[Any]) -> Counted | RefusedCount:
    reply = replies[0]
    return Counted(reply) if isinstance(reply, bytes) else RefusedCount(read_watermark(reply[0]))


def _peek(visits: Sequence[Visit], states: Sequence[bytes | None]) -> bytes:
    answers = []
    for visit, account, ip, ip_ua in zip(visits, states[::3], states[1::3], states[2::3], strict=True):
        counts = read_account(account).peek(visit), read_ip(ip).peek(visit), read_ip_ua(ip_ua).peek(visit.t_ms)
        answers.append(pack_answer(*counts))
    return b"".join(answers)


def _read_info(text: bytes) -> dict[str, str]:
    return dict(re.findall(r"^(\w+):(.*?)\r?$", text.decode(), re.MULTILINE))


def _escaped(literal: bytes) -> bytes:
    """A pattern of Redis that matches only `literal`."""
    return re.sub(rb"([\[\]*?\\^])", rb"\\\1", literal)
