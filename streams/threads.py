"""Work that may hang, in a thread that nobody has to wait for."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


async def in_daemon_thread(work: Callable[[], T]) -> T:
    """What `work` returns or raises. If this is cancelled, or the process ends, the thread is left to itself.

    The threads of `asyncio.to_thread` are few, and are waited for when the event loop ends.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def tell(settle: Callable[[Any], None], outcome: Any) -> None:
        if not future.done():
            settle(outcome)

    def run() -> None:
        settle: Callable[[Any], None] = future.set_result
        try:
            outcome: Any = work()
        except Exception as error:  # noqa: BLE001 - raised to whoever waits
            settle, outcome = future.set_exception, error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, settle, outcome)

    threading.Thread(target=run, name="loading", daemon=True).start()
    return await future
