"""Where a Redis is and how to get in, read from a URL."""

import ssl
from typing import Any, NamedTuple

from redis.asyncio.connection import SSLConnection, parse_url

from contracts.errors import Misconfigured

_KNOWN = {"host", "port", "db", "username", "password", "connection_class"}


class RedisAddress(NamedTuple):
    """One server. Its name in messages is `str(address)`: no password in it."""

    host: str
    port: int
    db: int
    username: str | None
    password: str | None
    tls: ssl.SSLContext | None

    def __str__(self) -> str:
        return f"Redis at {self.host}:{self.port}/{self.db}"

    def greeting(self) -> list[tuple[str, ...]]:
        """Commands that open a session, and show that somebody answers."""
        commands: list[tuple[str, ...]] = []
        if self.password:
            commands.append(("AUTH", self.username, self.password) if self.username else ("AUTH", self.password))
        if self.db:
            commands.append(("SELECT", str(self.db)))
        return [*commands, ("PING",)]


def read_redis_url(url: str) -> RedisAddress:
    """Address from `redis://user:password@host:port/database`, or `rediss://` for TLS.

    TLS verifies the server against the system's authorities, or those that SSL_CERT_FILE names.
    """
    if "+cluster" in url.partition("://")[0] or "," in url.rpartition("@")[2]:
        raise Misconfigured(
            "The Redis URL names a Redis Cluster. This version keeps all counters on one shard: name one server that "
            "is not in cluster mode, as redis://host:port/database."
        )
    try:
        options: dict[str, Any] = {**parse_url(url)}
    except ValueError as error:
        raise Misconfigured(f"The Redis URL cannot be read: {error}. Write redis://host:port/database.") from error
    if unknown := ", ".join(sorted(options.keys() - _KNOWN)):
        raise Misconfigured(f"The Redis URL has options that are not known: {unknown}. Leave them out.")
    return RedisAddress(
        host=options.get("host", "localhost"),
        port=options.get("port", 6379),
        db=options.get("db", 0),
        username=options.get("username"),
        password=options.get("password"),
        tls=ssl.create_default_context() if options.get("connection_class") is SSLConnection else None,
    )
