"""Worker processes of the demo: the shipped command, on free ports, ended with the demo."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from contracts.errors import Unavailable
from slidr.demo.watch import ready
from slidr.servers import EmbeddedServers, guard
from slidr.servers.process import free_port

READY_S = 60.0
STOP_S = 30.0


class Workers:
    """Starts workers on entering, ends them on leaving."""

    def __init__(self, count: int, servers: EmbeddedServers, models: Path, release: str, entity_key: str) -> None:
        self.ports = [free_port() for _ in range(count)]
        self._log = models.parent / "workers.log"
        self._environment = {
            **servers.environment(entity_key),
            "SLIDR_MODELS_URI": str(models),
            "SLIDR_RELEASE": release,
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    def wait_ready(self) -> None:
        """Wait until all decide clicks. Raises Unavailable with the end of their log."""
        deadline_s = time.monotonic() + READY_S
        while not all(map(ready, self.ports)):
            self.check()
            if time.monotonic() > deadline_s:
                raise Unavailable(f"The workers were not ready within {READY_S:.0f} s.{self._said()}")
            time.sleep(0.1)

    def check(self) -> None:
        """Raise Unavailable if one has ended."""
        for process in self._processes:
            if process.poll() is not None:
                raise Unavailable(f"A worker ended with exit code {process.returncode}.{self._said()}")

    def _said(self) -> str:
        return f" Its log ends with:\n{self._log.read_text(errors='replace')[-2_000:]}"

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            for number, port in enumerate(self.ports):
                environment = {
                    **self._environment,
                    "SLIDR_METRICS_PORT": str(port),
                    "SLIDR_WORKER_ID": f"demo-{number}",
                }
                self._processes.append(_guarded([sys.executable, "-m", "slidr", "worker"], environment, log))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _guarded(command: list[str], environment: dict[str, str], log: BinaryIO) -> subprocess.Popen[bytes]:
    """Start a command that ends with this process, however that ends; Ctrl-C is for the demo, not for its workers."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), "", *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process.stdout as said:
        said.readline()  # the worker's process id: the worker runs
    return process
