"""The shipped worker, with each observation of its latencies and the moments of each take kept, and its threads named.

    python -m bench.measured_worker LATENCIES.npz [--without-collections]     settings as for `slidr worker`

The worker's code is untouched: its histograms and its scoring are replaced by ones that remember besides, which costs
about 0.3 µs a poll and some 3 µs a take.
`/metrics` answers as always, to the resolution of its buckets, a fifth.
"""

import gc
import sys
import threading
import time
from array import array
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from prometheus_client import CollectorRegistry

import streams.metrics
import streams.worker
from bench.tail import RecordedScoring, recorded
from slidr.settings_source import load_settings
from slidr.worker_process import NEEDED_SETTINGS, run_worker
from streams.metrics import LatencyHistogram, Name

KEPT = (Name.IN_WORKER, Name.STORE, Name.MODEL)
_NAMING_S = 2.0


class ExactHistogram(LatencyHistogram):
    """Remembers (monotonic seconds, value in seconds, how many) of each observation."""

    made: list["ExactHistogram"] = []  # noqa: RUF012 - one process, one worker

    def __init__(self, name: Name, registry: CollectorRegistry) -> None:
        super().__init__(name, registry)
        self.name = name
        self.seen = array("d")
        self.made.append(self)

    def observe(self, value_s: float, n: int = 1) -> None:
        """Take in and remember."""
        super().observe(value_s, n)
        if self.name in KEPT:
            self.seen.extend((time.monotonic(), value_s, n))


def main(latencies: Path) -> None:
    """Run until SIGTERM, then write the latencies."""
    threading.Thread(target=_name_threads, daemon=True, name="naming").start()
    with (
        patch.object(streams.metrics, "LatencyHistogram", ExactHistogram),
        patch.object(streams.worker, "Scoring", RecordedScoring),
    ):
        try:
            run_worker(load_settings(need=NEEDED_SETTINGS))
        finally:
            _save(latencies)


def _save(latencies: Path) -> None:
    seen: dict[str, Any] = {made.name.value: np.array(made.seen).reshape(-1, 3) for made in ExactHistogram.made}
    np.savez(latencies, tail=recorded(), **seen)


def _name_threads() -> None:
    """Tell the kernel the names that Python has for its threads, so that /proc shows them."""
    while True:
        for thread in threading.enumerate():
            name = "event loop" if thread is threading.main_thread() else thread.name
            Path(f"/proc/self/task/{thread.native_id}/comm").write_text(name[:15])
        time.sleep(_NAMING_S)


if __name__ == "__main__":
    if sys.argv[2:] == ["--without-collections"]:
        gc.disable()  # the thresholds that the worker sets do not turn it on again
    main(Path(sys.argv[1]))
