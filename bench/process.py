"""Processes of a benchmark: each ends with the benchmark, however that ends, and is known by its process id."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.cpu import thread_ids
from contracts.errors import Unavailable
from slidr.servers import guard

STOP_S = 60.0
NICE = -10
REALTIME = 10  # of 1 to 99, round robin


class Child:
    """One Python module run as a process of its own; started on entering, stopped with SIGTERM on leaving."""

    def __init__(self, module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.module = module
        self.log = log
        self._command = [sys.executable, "-m", module, *arguments]
        self._environment = dict(environment)
        self._guard: subprocess.Popen[bytes] | None = None
        self.pid = 0

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), "", *self._command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._guard.stdout is not None
        with self._guard.stdout as said:
            self.pid = int(said.readline() or 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for what does not end."""
        if self._guard is None:
            return
        self._guard.terminate()
        try:
            self._guard.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()

    def check(self) -> None:
        """Raise Unavailable, with the end of the log, if the process has ended."""
        if self._guard is None or self._guard.poll() is not None:
            raise self.failed("ended by itself")

    def wait(self, seconds: float, turn: Callable[[], None]) -> None:
        """Wait until the process ends by itself; `turn` waits a moment. Raises Unavailable on failure or time-out."""
        assert self._guard is not None
        deadline_s = time.monotonic() + seconds
        while (code := self._guard.poll()) is None:
            if time.monotonic() > deadline_s:
                raise self.failed(f"was not done within {seconds:.0f} s")
            turn()
        if code:
            raise self.failed(f"ended with exit code {code}")

    def failed(self, what: str) -> Unavailable:
        """The error to raise about this process."""
        return Unavailable(f"{self.module} {what}. Its log ends with:\n{self.log.read_text(errors='replace')[-2_000:]}")


def raise_priority(pid: int, priority: str) -> None:
    """Set all threads of a process to nice -10 ("nice") or round-robin real time ("realtime"); "normal" does nothing.

    Where the kernel groups processes by session (autogroup), niceness counts only within the group: the group's own is
    set, too. Raises PermissionError where this user may not.
    """
    for thread in thread_ids(pid):
        if priority == "realtime":
            os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(REALTIME))
    if priority == "nice":
        set_niceness(pid, NICE)


def set_niceness(pid: int, niceness: int) -> None:
    """Of all threads of a process, from -20 to 19. Raises PermissionError where this user may not."""
    for thread in thread_ids(pid):
        os.setpriority(os.PRIO_PROCESS, thread, niceness)
    group = Path(f"/proc/{pid}/autogroup")
    if group.exists():
        group.write_text(str(niceness))
