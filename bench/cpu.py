"""CPU time of processes and their threads, from the kernel: what noisy neighbours change least."""

import os
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_SCHED_CLOCK = 2


def cpu_s(pid: int) -> float:
    """CPU seconds so far of a process, threads that have ended included, to the nanosecond.

    Raises OSError for one that is gone; one that has ended and was not waited for yet still tells.
    """
    # clock_getcpuclockid(3) of any process; Python has it for its own threads alone.
    return time.clock_gettime((~pid << 3) | _SCHED_CLOCK)


def thread_cpu_s(pid: int) -> dict[str, float]:
    """CPU seconds so far by the name of the thread; threads of one name are added up."""
    seconds: dict[str, float] = defaultdict(float)
    for thread in thread_ids(pid):
        folder = Path(f"/proc/{pid}/task/{thread}")
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended just now
            seconds[(folder / "comm").read_text().rstrip()] += int((folder / "schedstat").read_text().split()[0]) / 1e9
    return dict(seconds)


def thread_ids(pid: int) -> list[int]:
    """Ids of the threads of a process, the main thread's first."""
    return sorted(int(task.name) for task in Path(f"/proc/{pid}/task").iterdir())


class MachineTimes(NamedTuple):
    """CPU seconds of all cores so far: busy (stolen not among them), stolen by other virtual machines, and all."""

    busy_s: float
    stolen_s: float
    all_s: float


def machine_times() -> MachineTimes:
    """What the machine's cores did so far."""
    line = Path("/proc/stat").read_text().split("\n", 1)[0]
    user, nice, system, idle, io_wait, interrupt, soft_interrupt, stolen = (
        int(ticks) / _TICKS_PER_S for ticks in line.split()[1:9]
    )
    busy = user + nice + system + interrupt + soft_interrupt
    return MachineTimes(busy, stolen, busy + idle + io_wait + stolen)


def machine() -> dict[str, str | int]:
    """What the figures were measured on."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "unknown",
    )
    return {"cpu": model, "cores": os.cpu_count() or 0, "kernel": os.uname().release}
