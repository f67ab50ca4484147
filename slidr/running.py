"""Which embedded servers `slidr servers up` keeps up on this machine.

The command holds a lock on `servers.lock` for as long as it lives: the kernel gives it back however the command ends,
so `servers.json` beside it is believed only while the lock is held.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple, TextIO

import msgspec

from contracts.errors import Refused
from slidr.folders import state_dir

LOCK_TRIES = 10
LOCK_RETRY_S = 0.02


class RunningServers(NamedTuple):
    """The addresses to use, the secret made for these servers, and where the data is kept (None: thrown away)."""

    kafka_bootstrap_servers: str
    redis_url: str
    entity_key: str
    folder: str | None

    def addresses(self) -> dict[str, str]:
        """The settings that say where the servers are."""
        return {"kafka_bootstrap_servers": self.kafka_bootstrap_servers, "redis_url": self.redis_url}


@contextmanager
def only_servers_of_this_user() -> Iterator[None]:
    """Hold the lock. Raises Refused when another `slidr servers up` holds it."""
    state_dir().mkdir(parents=True, exist_ok=True)
    with (state_dir() / "servers.lock").open("a") as lock:
        if not _lock(lock):
            raise Refused("Servers are already up. See `slidr servers status`; `slidr servers down` stops them.")
        (state_dir() / "servers.json").unlink(missing_ok=True)
        lock.truncate(0)
        print(os.getpid(), file=lock, flush=True)
        yield


def _lock(lock: TextIO) -> bool:
    """Several tries: whoever asks for the keeper holds a shared lock for an instant."""
    for _ in range(LOCK_TRIES):
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(LOCK_RETRY_S)
    return False


def announce(servers: RunningServers) -> None:
    """Say that these servers are up and answer. Readable by this user only: it holds the secret."""
    draft = state_dir() / "servers.json.new"
    draft.touch(mode=0o600)
    draft.write_bytes(msgspec.json.encode(servers))
    os.replace(draft, state_dir() / "servers.json")


def running_servers() -> RunningServers | None:
    """The servers that are up and answer, or None."""
    if keeper_pid() is None:
        return None
    try:
        return msgspec.json.decode((state_dir() / "servers.json").read_bytes(), type=RunningServers)
    except FileNotFoundError:  # still starting
        return None


def keeper_pid() -> int | None:
    """Process id of the living `slidr servers up`, its servers ready or not; None without one."""
    try:
        with (state_dir() / "servers.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return int((state_dir() / "servers.lock").read_text() or 0) or None
    return None
