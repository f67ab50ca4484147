"""Processes of a benchmark: what they used is told whether they still run, end at that moment, or ended before."""

import os
from pathlib import Path

import pytest

from bench.cpu import cpu_s
from bench.process import Child
from contracts.errors import Unavailable
from tests.conftest import WaitUntil

# CPU seconds, in a thread that has ended when anybody asks.
WORK_S = 0.3
WORK = f"""
import sys, threading, time
from pathlib import Path

def work():
    while time.thread_time() < {WORK_S}:
        pass

thread = threading.Thread(target=work)
thread.start()
thread.join()
Path(sys.argv[1]).touch()
if sys.argv[2] == "stay":
    threading.Event().wait()
sys.exit(int(sys.argv[2]))
"""


@pytest.fixture
def done(tmp_path: Path) -> Path:
    """The file that a child makes when its work is done."""
    return tmp_path / "done"


def child(done: Path, then: str = "0") -> Child:
    """Works and then ends with an exit code, or stays."""
    (done.parent / "bench_work.py").write_text(WORK)
    environment = {**os.environ, "PYTHONPATH": str(done.parent)}
    return Child("bench_work", [str(done), then], environment, done.parent / "log")


def test_a_process_that_has_ended_tells_what_it_used(done: Path, wait_until: WaitUntil) -> None:
    with child(done) as made:
        wait_until(lambda: not Path(f"/proc/{made.pid}").exists())

        assert WORK_S <= made.cpu_s() < WORK_S + 1


def test_threads_that_have_ended_count(done: Path, wait_until: WaitUntil) -> None:
    with child(done, "stay") as made:
        wait_until(done.exists)

        assert made.cpu_s() >= WORK_S
        assert made.cpu_s() == pytest.approx(cpu_s(made.pid))


def test_asked_at_any_moment_of_its_end_it_never_tells_less_than_before(done: Path) -> None:
    told: list[float] = []

    with child(done) as made:
        while made._exit_code() is None:
            told.append(made.cpu_s())
        told.append(made.cpu_s())

    assert told == sorted(told)
    assert told[-1] >= WORK_S


def test_a_process_that_is_done_is_no_failure_where_it_may_be(done: Path, wait_until: WaitUntil) -> None:
    with child(done) as made:
        wait_until(lambda: made._exit_code() is not None)

        made.check(may_be_done=True)
        with pytest.raises(Unavailable, match="ended by itself"):
            made.check()


def test_a_process_that_failed_is_one_everywhere(done: Path, wait_until: WaitUntil) -> None:
    with child(done, "3") as made:
        wait_until(lambda: made._exit_code() is not None)

        with pytest.raises(Unavailable, match="ended by itself"):
            made.check(may_be_done=True)
        with pytest.raises(Unavailable, match="exit code 3"):
            made.wait(1.0, lambda: None)
        with pytest.raises(Unavailable, match="ended by itself"):
            made.thread_cpu_s()


def test_a_stopped_process_is_gone(done: Path, wait_until: WaitUntil) -> None:
    with child(done, "stay") as made:
        wait_until(done.exists)

    assert not Path(f"/proc/{made.pid}").exists()
