"""`slidr ...` in processes of their own that start warm: forked from one that has imported what they need.

Python and its libraries take two to six seconds of CPU to load, and the tests start hundreds of workers, agents and
commands. Otherwise such a process is like any other: its own environment, files, signals and exit code. It shares no
connection with the tests, as the one that it is forked from opens none.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from uuid import uuid4

PATIENCE_S = 200.0
# So soon is a worker or agent missed that was killed.
SHORT_SESSION_S = "3"

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    [
        "slidr.worker_process", "slidr.replay_agent", "slidr.replay_report", "slidr.releasing", "slidr.archiving",
        "slidr.retrain.candidate", "slidr.publishing", "slidr.guarding", "replay.planning", "rich.progress",
        "rich.table", __name__,
    ]
)  # fmt: skip


class SlidrProcess:
    """`slidr ARGUMENTS`, much like a `subprocess.Popen`. What it says goes to files, as to one if no `stderr` is given.

    As a context manager it is killed at the end.
    """

    def __init__(
        self, arguments: tuple[str, ...], environment: Mapping[str, str], stdout: Path, stderr: Path | None = None
    ) -> None:
        self.stdout, self.stderr = stdout, stderr or stdout
        for path in (self.stdout, self.stderr):
            path.touch()
        self._process = _context.Process(target=_run, args=(arguments, dict(environment), self.stdout, self.stderr))
        self._process.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit code, that of a signal as a negative number; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Exit code. Raises TimeoutError if it lives on."""
        self._process.join(timeout_s)
        if (code := self.returncode) is None:
            said = "".join(path.read_text() for path in {self.stdout, self.stderr})
            raise TimeoutError(f"It goes on after {timeout_s:.0f} s, and has said: {said[-3_000:]}")
        return code

    def send_signal(self, signal_number: int) -> None:
        """To a process that may have ended."""
        if self.returncode is None:
            os.kill(self.pid, signal_number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)
        self._process.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def start_slidr(arguments: tuple[str, ...], environment: Mapping[str, str], folder: Path) -> SlidrProcess:
    """`slidr ARGUMENTS`, with two new files in a folder for what it says."""
    place = folder / f"slidr-{uuid4().hex}"
    return SlidrProcess(arguments, environment, place.with_suffix(".out"), place.with_suffix(".err"))


def run_slidr(
    arguments: tuple[str, ...], environment: Mapping[str, str], folder: Path
) -> "subprocess.CompletedProcess[str]":
    """`slidr ARGUMENTS`, run to its end."""
    with start_slidr(arguments, environment, folder) as process:
        code = process.wait()
    return subprocess.CompletedProcess(
        ["slidr", *arguments], code, process.stdout.read_text(), process.stderr.read_text()
    )


def _run(arguments: tuple[str, ...], environment: dict[str, str], stdout: Path, stderr: Path) -> None:
    """In the new process."""
    os.environ.clear()
    os.environ.update(environment)
    for number, path in ((1, stdout), (2, stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), number)
    # As at a terminal, though whoever runs the tests may have them ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["slidr", *arguments]
    from slidr.__main__ import main

    main()
