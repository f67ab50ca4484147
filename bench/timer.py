"""A bare timer: by how much a sleep of 1 ms oversleeps. What the scheduler does to it, it does to every process.

python -m bench.timer OUT.npy     until SIGTERM; OUT holds the oversleeping in seconds
"""

import signal
import sys
import time
from array import array
from pathlib import Path

import numpy as np

SLEEP_S = 0.001


def main(out: Path) -> None:
    """Sleep until told to stop, then write OUT."""
    late_s = array("d")
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    while not stopped:
        before_s = time.monotonic()
        time.sleep(SLEEP_S)
        late_s.append(time.monotonic() - before_s - SLEEP_S)
    np.save(out, np.array(late_s))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
