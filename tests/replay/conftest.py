"""A deployment that has decided clicks, and the command line on it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slidr.servers import KafkaServer
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
    return {**own, "COLUMNS": "160", **logged.environment}


@pytest.fixture
def slidr(logged: Logged) -> Slidr:
    """`slidr("replay", "plan", ...)` in a process of its own."""

    def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "slidr", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment_of(logged))

    return call


@pytest.fixture
def planned(slidr: Slidr) -> Callable[..., dict[str, Any]]:
    """`planned("--from", ...)`: a plan by the release `good`, as JSON."""

    def plan(*arguments: str) -> dict[str, Any]:
        done = slidr("replay", "plan", "--json", "--model", "good", *arguments)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    return plan
