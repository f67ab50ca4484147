"""CPU time of processes and their threads, from /proc: what noisy neighbours change least."""

import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, in seconds, to 0.01 s."""
    return _seconds(Path(f"/proc/{pid}/stat").read_text())


def thread_cpu_s(pid: int) -> dict[str, float]:
    """CPU seconds so far by the name of the thread; threads of one name are added up."""
    seconds: dict[str, float] = defaultdict(float)
    for thread in thread_ids(pid):
        with suppress(FileNotFoundError):  # it ended just now
            stat = Path(f"/proc/{pid}/task/{thread}/stat").read_text()
            seconds[stat[stat.index("(") + 1 : stat.rindex(")")]] += _seconds(stat)
    return dict(seconds)


def thread_ids(pid: int) -> list[int]:
    """Ids of the threads of a process, the main thread's first."""
    return sorted(int(task.name) for task in Path(f"/proc/{pid}/task").iterdir())


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


def _seconds(stat: str) -> float:
    fields = stat.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
