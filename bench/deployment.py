"""What every benchmark runs on: real embedded servers, topics, a trained release, and the shipped worker."""

import os
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.cpu import cpu_s
from bench.process import Child
from model.store import ModelStore
from slidr.servers import EmbeddedServers
from slidr.servers.process import free_port
from streams.topic_admin import create_topics

READY_S = 60.0
TRAIN_S = 300.0
PARTITIONS = 4
ENTITY_KEY = "a key for benchmarks only"


class MeasuredWorker(Child):
    """The shipped worker, which also keeps each latency exactly: written to `latencies` when it ends."""

    def __init__(self, environment: dict[str, str], folder: Path, collections: bool = True) -> None:
        self.port = free_port()
        self.latencies = folder / f"latencies-{self.port}.npz"
        super().__init__(
            "bench.measured_worker",
            [str(self.latencies), *([] if collections else ["--without-collections"])],
            {**environment, "SLIDR_METRICS_PORT": str(self.port)},
            folder / f"worker-{self.port}.log",
        )

    def wait_ready(self) -> None:
        """Wait until it decides clicks. Raises Unavailable with its log."""
        deadline_s = time.monotonic() + READY_S
        while self.get("/readyz") is None:
            self.check()
            if time.monotonic() > deadline_s:
                raise self.failed(f"was not ready within {READY_S:.0f} s")
            time.sleep(0.1)

    def get(self, path: str) -> str | None:
        """Body of a page of the worker's HTTP server; None while it does not answer with 200."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return bytes(answer.read()).decode()
        except (urllib.error.URLError, OSError):
            return None

    def metric(self, name: str) -> float:
        """Value of a metric without labels; 0 while the worker does not answer."""
        lines = (line.split() for line in (self.get("/metrics") or "").splitlines())
        return next((float(line[1]) for line in lines if line[0] == name), 0.0)


class Deployment:
    """Servers and release, up on entering; everything is stopped and thrown away on leaving.

    `long_running`: the servers as they are after hours (see `slidr.servers`); they need a minute to get there.
    """

    def __init__(self, partitions: int = PARTITIONS, *, long_running: bool = False) -> None:
        self.partitions = partitions
        self.long_running = long_running
        self.folder = Path(tempfile.mkdtemp(prefix="slidr-bench-"))
        self.servers = EmbeddedServers(long_running=long_running)
        self.release = ""

    @property
    def models_uri(self) -> str:
        """Where the trained release is."""
        return str(self.folder / "models")

    @property
    def kafka(self) -> dict[str, str]:
        """librdkafka's configuration."""
        return {"bootstrap.servers": self.servers.kafka.bootstrap_servers}

    def __enter__(self) -> Self:
        try:
            # In a process of its own: torch's memory and threads do not stay with what measures.
            with self.child("bench.release", [self.models_uri]) as training:
                self.servers.start()
                training.wait(TRAIN_S, lambda: time.sleep(0.1))
            (self.release,) = ModelStore(self.models_uri).versions()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the servers, throw the folder away."""
        self.servers.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def server_clocks(self) -> dict[str, Callable[[], float]]:
        """CPU seconds so far of Redis and of Kafka."""
        return {
            name: partial(cpu_s, server.pid)
            for name, server in (("redis", self.servers.redis), ("kafka", self.servers.kafka))
        }

    def create_topics(self, prefix: str) -> None:
        """All topics of one prefix; records of any age are kept."""
        create_topics(self.kafka, prefix, self.partitions, keep_forever=True)

    def worker(self, prefix: str, release: str | None = None, collections: bool = True) -> MeasuredWorker:
        """A worker on the topics of one prefix, not started yet; with the trained release, unless another is named."""
        environment = {
            **self.servers.environment(ENTITY_KEY),
            "SLIDR_TOPIC_PREFIX": prefix,
            "SLIDR_GROUP": f"{prefix}workers",
            "SLIDR_MODELS_URI": self.models_uri,
            "SLIDR_RELEASE": release or self.release,
        }
        return MeasuredWorker(environment, self.folder, collections)

    def child(self, module: str, arguments: list[str], **environment: str) -> Child:
        """Another process of the benchmark, not started yet."""
        return Child(module, arguments, {**os.environ, **environment}, self.folder / f"{module}.log")
