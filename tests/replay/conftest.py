"""A deployment that has decided clicks, and the command line on it."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slidr.servers import KafkaServer
from tests.processes import SHORT_SESSION_S, SlidrProcess, run_slidr, start_slidr
from tests.replay.logged import Logged, write_release_of

Slidr = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def logged(kafka: KafkaServer, topic_prefix: str, tmp_path: Path) -> Logged:
    """Two partitions without a click, and the releases `good` and `faulty`."""
    made = Logged(kafka.bootstrap_servers, topic_prefix, tmp_path)
    write_release_of(made.models, "good", seed=1)
    write_release_of(made.models, "faulty", seed=2)
    return made


def environment_of(logged: Logged) -> dict[str, str]:
    """What a command sees: nothing of the one who runs the tests."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SLIDR_")}
    return {**own, "COLUMNS": "160", "SLIDR_SESSION_TIMEOUT_S": SHORT_SESSION_S, **logged.environment}


def start(logged: Logged, *arguments: str) -> SlidrProcess:
    """`slidr ...` that goes on in the background until the end of the block."""
    return start_slidr(arguments, environment_of(logged), logged.folder)


@pytest.fixture
def slidr(logged: Logged) -> Slidr:
    """`slidr("replay", "plan", ...)` in a process of its own."""

    def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return run_slidr(arguments, environment_of(logged), logged.folder)

    return call


@pytest.fixture
def planned(slidr: Slidr) -> Callable[..., dict[str, Any]]:
    """`planned("--from", ...)`: a plan by the release `good`, as JSON."""

    def plan(*arguments: str) -> dict[str, Any]:
        done = slidr("replay", "plan", "--json", "--model", "good", *arguments)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    return plan
