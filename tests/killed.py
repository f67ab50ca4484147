"""Work that is killed at a chosen step, as the kernel kills: nothing is tidied up after it."""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

_ON_FILES = ("open", "os.", "shutil.")


def killed_at_step(work: Callable[[], object], module: ModuleType, step: int) -> bool:
    """Do the work in a process of its own, killed at the so-manieth step; whether it came to that.

    Steps are the lines of `module`, and whatever any Python code is about to do to files.
    """
    child = os.fork()
    if child == 0:
        left = step

        def count() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        def audit(event: str, _: Any) -> None:
            if event.startswith(_ON_FILES) and event != "os.kill":
                count()

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            if frame.f_code.co_filename != module.__file__:
                return None
            if event == "line":
                count()
            return trace

        try:
            sys.settrace(trace)
            sys.addaudithook(audit)
            work()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the work itself failed"
    return os.WIFSIGNALED(status)
