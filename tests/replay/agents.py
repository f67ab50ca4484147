"""Replay agents in processes of their own."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.replay.conftest import environment_of
from tests.replay.logged import Logged


class AgentProcess:
    """One `slidr replay-agent` by a name of its own."""

    def __init__(self, logged: Logged, name: str, folder: Path, **environment: str) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._file = self.log.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "slidr", "replay-agent"],
            env={**environment_of(logged), "SLIDR_WORKER_ID": name, **environment},
            stdout=self._file,
            stderr=subprocess.STDOUT,
        )

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def told(self, what: str) -> bool:
        """Whether its log says so; fails the test if the process has ended."""
        text = self.log.read_text()
        assert self.process.poll() is None, text
        return what in text

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._file.close()


class Agents:
    """Those of one test."""

    def __init__(self, logged: Logged, folder: Path) -> None:
        self._logged = logged
        self._folder = folder
        self._all: list[AgentProcess] = []

    def start(self, **environment: str) -> AgentProcess:
        """Start one more; settings may be overridden."""
        agent = AgentProcess(self._logged, f"agent-{len(self._all)}", self._folder, **environment)
        self._all.append(agent)
        return agent

    def logs(self) -> str:
        """What they said last."""
        return "\n".join(f"--- {agent.name}\n{agent.log.read_text()[-3_000:]}" for agent in self._all)

    def close(self) -> None:
        """End all."""
        for agent in self._all:
            agent.close()


@contextmanager
def command(logged: Logged, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """`slidr ...` that goes on in the background."""
    with subprocess.Popen(
        [sys.executable, "-m", "slidr", *arguments],
        env=environment_of(logged), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
