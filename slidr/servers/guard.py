"""Runs one server and ends it when the parent ends, however that ends: a server never outlives its user.

Run as a script, with the standard library alone: `guard.py PARENT_PID SCRATCH COMMAND...`. Prints the server's process
id. SIGTERM is passed on. When the parent is gone the server is stopped and the folder SCRATCH (may be empty) removed.
A death signal set by the parent itself would not do: it follows the parent's thread, not its process.
"""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys

STOP_GRACE_S = 10.0
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def die_with_guard() -> None:
    """Let the kernel kill the server when this (single-threaded) guard is killed."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def stop(server: subprocess.Popen[bytes]) -> None:
    """Ask the server to end, and insist after the grace."""
    server.terminate()
    try:
        server.wait(STOP_GRACE_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def main(parent_pid: int, scratch: str, command: list[str]) -> int:
    """Run the command until it ends or the parent does; return its exit code."""
    parent_fd = os.pidfd_open(parent_pid)
    if os.getppid() != parent_pid:
        return 1
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, preexec_fn=die_with_guard)
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    print(server.pid, flush=True)
    ends = select.poll()
    ends.register(parent_fd, select.POLLIN)
    ends.register(os.pidfd_open(server.pid), select.POLLIN)
    ended = {fd for fd, _ in ends.poll()}
    if parent_fd in ended:
        stop(server)
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)
    return server.wait()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
