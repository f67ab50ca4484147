"""One server as a child process: start, stop, kill and start again on the same port and data."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from contracts.errors import Unavailable
from slidr.servers import guard

READY_LIMIT_S = 90.0
STOP_LIMIT_S = 30.0
POLL_S = 0.02
LOG_LINES_SHOWN = 15
# Below the kernel's ephemeral ports: no outgoing connection can take the port while its server is being restarted.
PORTS = range(15_000, 32_000)


def is_listening(port: int) -> bool:
    """Whether anybody takes connections at this port of the loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    while is_listening(port := random.choice(PORTS)):
        pass
    return port


class ServerProcess(ABC):
    """A server of the loopback with its folder (`data/` and a log) and its port.

    Without `folder` a temporary one is made, and thrown away by `close`, or by the guard when this process is killed.
    A start that fails keeps the folder and names the log. Usable as a context manager, from any thread.
    """

    name: ClassVar[str]

    def __init__(self, folder: Path | None = None, port: int | None = None) -> None:
        self.temporary = folder is None
        self.folder = Path(tempfile.mkdtemp(prefix=f"slidr-{self.name}-")) if folder is None else folder.resolve()
        self.port = port or free_port()
        self.data = self.folder / "data"
        self.log = self.folder / f"{self.name}.log"
        self._guard: subprocess.Popen[bytes] | None = None
        self._pid = 0

    @abstractmethod
    def _command(self) -> list[str]:
        """The command line; makes what the server needs in `folder` first."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether the server answers a request of its own protocol."""

    @property
    def running(self) -> bool:
        """Whether the process lives; a paused one does."""
        return self._guard is not None and self._guard.poll() is None

    @property
    def pid(self) -> int:
        """The server's process id. Raises Unavailable when it is not running."""
        if not self.running:
            raise Unavailable(f"{self.name} on port {self.port} is not running. Start it first.")
        return self._pid

    def start(self, empty: bool = False) -> Self:
        """Start and wait until it answers; `empty` throws the data away first. Raises Unavailable with the log."""
        if self.running:
            return self
        if is_listening(self.port):  # its answers would be taken for ours
            raise Unavailable(f"{self.name} cannot start: another server has port {self.port}. Choose another port.")
        if empty:
            shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True, exist_ok=True)
        command = self._command()
        with self.log.open("ab") as log:
            self._spawn(command, log.fileno())
        self._wait_until_it_answers()
        return self

    def stop(self) -> None:
        """End it in order, as an operator would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End it for good, and throw a temporary folder away."""
        self._end(signal.SIGKILL if self.temporary else signal.SIGTERM)
        if self.temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _spawn(self, command: list[str], log_fd: int) -> None:
        scratch = str(self.folder) if self.temporary else ""
        # A session of its own: Ctrl-C reaches the user of the server, who may still need it to end in order.
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), scratch, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log_fd,
            start_new_session=True,
            cwd=self.folder,
        )
        assert self._guard.stdout is not None
        with self._guard.stdout as said:
            line = said.readline()
        if line:
            self._pid = int(line)
        else:  # the command could not be run: the log has the reason
            self._guard.wait()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + READY_LIMIT_S
        while not self._answers():
            if not self.running:
                raise self.failed("ended while starting")
            if time.monotonic() > deadline:
                self.kill()
                raise self.failed(f"did not answer within {READY_LIMIT_S:.0f} s")
            time.sleep(POLL_S)

    def failed(self, what: str) -> Unavailable:
        """The error to raise about this server, with the end of its log; the folder with the log is kept."""
        self.temporary = False
        with self.log.open(errors="replace") as log:
            last = "".join(deque(log, LOG_LINES_SHOWN)).rstrip()
        return Unavailable(
            f"{self.name} {what} on port {self.port}. Its log is kept in {self.log}; it ends with:\n{last}"
        )

    def _end(self, how: signal.Signals) -> None:
        if self._guard is None:
            return
        self._signal(how)
        self._signal(signal.SIGCONT)
        try:
            self._guard.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._guard.wait()

    def _signal(self, signal_number: signal.Signals) -> None:
        if self.running:
            with suppress(ProcessLookupError):  # it ended by itself just now
                os.kill(self._pid, signal_number)
