"""Strictly ordered, pipelined calls to Redis at a few microseconds each.

A call is written the moment it is made, and replies are matched to calls in order. When the connection is lost, all
that is in flight fails with `Unavailable`; the next call opens another one, and calls made meanwhile wait in order.

    call A ── call B ── connection lost ───────── call C ── call D ── opened and prepared ── replies
    written   written   A and B: Unavailable      waits     waits     C, D written
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, cast

import hiredis

from contracts.errors import SlidrError, Unavailable
from features.redis_address import RedisAddress
from features.redis_errors import asks_for_another_connection, error_of

CONNECT_LIMIT_S = 5.0
# A server that says nothing for so long while it owes a reply counts as lost.
REPLY_LIMIT_S = 15.0

Command = tuple[bytes | str, ...]
# Declared by hiredis for tuples of one element.
_pack: Callable[[Command], bytes] = hiredis.pack_command  # type: ignore[assignment]


class RedisCall(NamedTuple):
    """Commands written together; `read` makes the future's result of their replies."""

    commands: Sequence[Command]
    read: Callable[[list[Any]], Any]
    future: asyncio.Future[Any]
    replies: list[Any]

    def fail(self, error: SlidrError) -> None:
        """End the call with an error, unless nobody waits for it any more."""
        if not self.future.done():
            self.future.set_exception(error)

    def finish(self, where: object) -> None:
        """End the call with its replies."""
        if self.future.done():
            return
        errors = [reply for reply in self.replies if isinstance(reply, hiredis.ReplyError)]
        if errors:
            self.future.set_exception(error_of(errors[0], where))
        else:
            self.future.set_result(self.read(self.replies))


class RedisConnection(asyncio.Protocol):
    """One connection. Once lost it stays lost."""

    def __init__(self, address: RedisAddress) -> None:
        self.address = address
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._pending: deque[RedisCall] = deque()
        self._transport: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._received = 0
        self._why = "the server closed the connection"
        self.is_open = False
        self.lost: asyncio.Future[None] = self._loop.create_future()

    def call(self, commands: Sequence[Command], read: Callable[[list[Any]], Any] = list) -> asyncio.Future[Any]:
        """Write the commands at once; the future has what `read` makes of their replies, or the error."""
        call = RedisCall(commands, read, self._loop.create_future(), [])
        self.write(call)
        return call.future

    def write(self, call: RedisCall) -> None:
        """Write a call's commands at once."""
        if self._transport is None or not self.is_open:
            call.fail(self._loss())
            return
        self._pending.append(call)
        self._transport.write(b"".join([_pack(command) for command in call.commands]))
        if self._watch is None:
            self._watch = self._loop.call_later(REPLY_LIMIT_S, self._check, self._received)

    def abort(self, why: str) -> None:
        """Give the connection up: whatever is in flight fails."""
        if self.is_open and self._transport is not None:
            self._why, self.is_open = why, False
            self._transport.abort()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are asyncio.Transport in all but name.
        self._transport, self.is_open = cast(asyncio.Transport, transport), True

    def data_received(self, data: bytes) -> None:
        self._received += 1
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._take(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if exc is not None:
            self._why = str(exc)
        if self._watch is not None:
            self._watch.cancel()
        for call in self._pending:
            call.fail(self._loss())
        self._pending.clear()
        self.lost.set_result(None)

    def _take(self, reply: Any) -> None:
        if isinstance(reply, hiredis.ReplyError) and (not self._pending or asks_for_another_connection(reply)):
            self.abort(f"the server answered {str(reply)!r}")
        if self._pending:
            call = self._pending[0]
            call.replies.append(reply)
            if len(call.replies) == len(call.commands):
                call.finish(self.address)  # what this raises ends the connection, with the call still in flight
                self._pending.popleft()

    def _check(self, received: int) -> None:
        self._watch = None
        if self._pending and received == self._received:
            self.abort(f"no answer within {REPLY_LIMIT_S:.0f} s")
        elif self._pending:
            self._watch = self._loop.call_later(REPLY_LIMIT_S, self._check, self._received)

    def _loss(self) -> Unavailable:
        return Unavailable(
            f"The connection to {self.address} was lost: {self._why}. Whether calls in flight were carried out is not "
            "known; the next call connects again."
        )


class RedisLink:
    """A connection that is opened, and opened again after a loss, by the calls that need it.

    `prepare` is awaited with each new connection before any waiting call is written; what it raises, they raise.
    """

    def __init__(self, address: RedisAddress, prepare: Callable[[RedisConnection], Awaitable[None]]) -> None:
        self._address = address
        self._prepare = prepare
        self._connection: RedisConnection | None = None
        self._opening: asyncio.Task[None] | None = None
        self._waiting: deque[RedisCall] = deque()

    def call(self, commands: Sequence[Command], read: Callable[[list[Any]], Any]) -> asyncio.Future[Any]:
        """Like `RedisConnection.call`; without a connection the call waits until one is opened, or that has failed."""
        if self._connection is not None and self._connection.is_open:
            return self._connection.call(commands, read)
        call = RedisCall(commands, read, asyncio.get_running_loop().create_future(), [])
        self._waiting.append(call)
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        return call.future

    async def close(self) -> None:
        """Close the connection; calls in flight fail."""
        if self._opening is not None:
            self._opening.cancel()
        if self._connection is not None:
            self._connection.abort("it was closed by SLIDR")
            await self._connection.lost

    async def _open(self) -> None:
        error: SlidrError = Unavailable(f"The connection to {self._address} was given up.")
        try:
            self._connection = await self._prepared()
        except SlidrError as found:
            error = found
        finally:
            self._opening = None
            waiting, self._waiting = self._waiting, deque()
            for call in waiting:
                if self._connection is not None and self._connection.is_open:
                    self._connection.write(call)
                else:
                    call.fail(error)

    async def _prepared(self) -> RedisConnection:
        connection = RedisConnection(self._address)
        is_ready = False
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                host, port, tls = self._address.host, self._address.port, self._address.tls
                await asyncio.get_running_loop().create_connection(lambda: connection, host, port, ssl=tls)
                await connection.call(self._address.greeting())
                await self._prepare(connection)
            is_ready = True
        except OSError as error:
            reason = str(error) or f"no answer within {CONNECT_LIMIT_S:.0f} s"
            raise Unavailable(
                f"{self._address} cannot be reached: {reason}. Check that it runs, and the Redis URL."
            ) from error
        finally:
            if not is_ready:
                connection.abort("it could not be prepared")
        return connection
