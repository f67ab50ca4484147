"""Processes of a benchmark: each ends with the benchmark, however that ends, and is known by its process id."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.cpu import cpu_s, thread_cpu_s, thread_ids
from contracts.errors import Unavailable
from slidr.servers import guard

STOP_S = 60.0
_LOOK_S = 0.01
NICE = -10
REALTIME = 10  # of 1 to 99, round robin


class Child:
    """One Python module run as a process of its own; started on entering, stopped with SIGTERM on leaving.

    `python`: of another environment than this one's.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        python: Path = Path(sys.executable),
    ) -> None:
        self.module = module
        self.log = log
        self._command = [str(python), "-m", module, *arguments]
        self._environment = dict(environment)
        self._guard: subprocess.Popen[bytes] | None = None
        self.pid = 0
        self._guard_s = 0.0
        self._used_s = 0.0

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
        # From here on the guard only waits, so that later what it and its process have used tells of the process.
        self._guard_s = cpu_s(self._guard.pid)
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
        if not self._ended_within(STOP_S):
            self._guard.kill()
            self._ended_within(STOP_S)

    def check(self, *, may_be_done: bool = False) -> None:
        """Raise Unavailable, with the end of the log, if the process has ended; `may_be_done`: other than well."""
        code = self._exit_code()
        if code or (code is not None and not may_be_done):
            raise self.failed("ended by itself")

    def cpu_s(self) -> float:
        """CPU seconds so far; of a process that has ended, all that it used."""
        try:
            return cpu_s(self.pid)
        except OSError:
            if not self._ended_within(STOP_S):
                raise self.failed("is gone, and whoever started it is not") from None
            return self._used_s

    def thread_cpu_s(self) -> dict[str, float]:
        """CPU seconds so far by the name of the thread. Raises Unavailable if the process has ended."""
        try:
            return thread_cpu_s(self.pid)
        except (FileNotFoundError, ProcessLookupError):
            raise self.failed("ended by itself") from None

    def _exit_code(self) -> int | None:
        """None while it runs. What it used is told by the same call that takes it off the kernel's list."""
        assert self._guard is not None
        if self._guard.returncode is None:
            pid, status, used = os.wait4(self._guard.pid, os.WNOHANG)
            if pid:
                self._guard.returncode = os.waitstatus_to_exitcode(status)
                self._used_s = used.ru_utime + used.ru_stime - self._guard_s
        return self._guard.returncode

    def _ended_within(self, seconds: float) -> bool:
        deadline_s = time.monotonic() + seconds
        while self._exit_code() is None and time.monotonic() < deadline_s:
            time.sleep(_LOOK_S)
        return self._exit_code() is not None

    def wait(self, seconds: float, turn: Callable[[], None]) -> None:
        """Wait until the process ends by itself; `turn` waits a moment. Raises Unavailable on failure or time-out."""
        deadline_s = time.monotonic() + seconds
        while (code := self._exit_code()) is None:
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
