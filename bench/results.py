"""Results: one small file a benchmark in `bench/results/`, with what is needed to judge and to repeat it."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from bench.cpu import machine

FOLDER = Path(__file__).with_name("results")
# Kept results are no change of what was measured.
_CODE = (":/", ":(top,exclude)bench/results", ":(top,exclude)docs/benchmarks.md")


class Result(msgspec.Struct):
    """Figures of one benchmark, and where they are from."""

    benchmark: str
    at: str
    commit: str
    command: str
    machine: dict[str, str | int]
    figures: Any


def result(benchmark: str, figures: Any) -> Result:
    """Figures measured just now, by the command that runs."""
    return Result(
        benchmark,
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        _commit(),
        " ".join(["python -m bench", *sys.argv[1:]]),
        machine(),
        msgspec.to_builtins(figures),
    )


def save(found: Result) -> Path:
    """Keep a result; it replaces the last one of the same benchmark."""
    path = FOLDER / f"{found.benchmark}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    return path


def load() -> dict[str, Result]:
    """What is kept, by benchmark."""
    kept = (msgspec.json.decode(path.read_bytes(), type=Result) for path in sorted(FOLDER.glob("*.json")))
    return {found.benchmark: found for found in kept}


def _commit() -> str:
    git = ["git", "-C", str(FOLDER.parent)]
    commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run([*git, "status", "--porcelain", "--", *_CODE], capture_output=True, text=True, check=False)
    return commit.stdout.strip() + ("+changes" if changed.stdout.strip() else "")
