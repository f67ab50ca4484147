"""Work in a thread that may take hours, and ends soon after somebody wishes it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from streams.threads import in_daemon_thread

# What is under way may end by itself for so long; reading what is in force does not, and may be left.
GRACE_S: Final = 5.0

T = TypeVar("T")


class Stop:
    """A wish to stop that both the event loop and a thread can wait for. Set in the event loop."""

    def __init__(self) -> None:
        self.thread = threading.Event()
        self._loop = asyncio.Event()

    def set(self) -> None:
        self.thread.set()
        self._loop.set()

    def is_set(self) -> bool:
        return self._loop.is_set()

    async def wait(self, timeout_s: float | None = None) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._loop.wait(), timeout_s)


async def unless_stopped(work: Callable[[], T], stop: Stop) -> T | None:
    """What work in a thread returns; None for a thread that does not end soon after the stop, and is left to itself."""
    working: asyncio.Task[T] = asyncio.ensure_future(in_daemon_thread(work))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await asyncio.wait((working,), timeout=GRACE_S)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        stopping.cancel()
