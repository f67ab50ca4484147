"""Kafka and Redis together, as the demo and `slidr servers up` use them."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from slidr.servers.kafka import KafkaServer
from slidr.servers.redis import RedisServer


class EmbeddedServers:
    """Both servers, started at the same time. With `folder` their data is kept there, else thrown away.

    `long_running` servers are made for hours, not for minutes.

    >>> with EmbeddedServers() as servers:  # doctest: +SKIP
    ...     print(servers.kafka.bootstrap_servers, servers.redis.url)
    """

    def __init__(
        self,
        folder: Path | None = None,
        kafka_port: int | None = None,
        redis_port: int | None = None,
        *,
        long_running: bool = False,
    ) -> None:
        self.kafka = KafkaServer(folder and folder / "kafka", kafka_port, long_running=long_running)
        self.redis = RedisServer(folder and folder / "redis", redis_port, append_only=folder is not None)

    def start(self) -> Self:
        """Start both and wait until both answer. Raises Unavailable; then neither runs."""
        try:
            with ThreadPoolExecutor(2) as pool:
                kafka = pool.submit(self.kafka.start)
                pool.submit(self.redis.start).result()
                kafka.result()
        except BaseException:
            self.close()
            raise
        return self

    def environment(self, entity_key: str) -> dict[str, str]:
        """This process's environment for another that uses these servers: its other settings are left out."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("SLIDR_")},
            "SLIDR_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "SLIDR_REDIS_URL": self.redis.url,
            "SLIDR_ENTITY_KEY": entity_key,
        }

    def close(self) -> None:
        """Stop both for good; temporary data is thrown away."""
        self.kafka.close()
        self.redis.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
