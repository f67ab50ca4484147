"""Replay agents in processes of their own."""

import signal
from pathlib import Path

from tests.processes import SlidrProcess
from tests.replay.conftest import environment_of
from tests.replay.logged import Logged


class AgentProcess:
    """One `slidr replay-agent` by a name of its own."""

    def __init__(self, logged: Logged, name: str, folder: Path, **environment: str) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        own = {"SLIDR_WORKER_ID": name, **environment}
        self.process = SlidrProcess(("replay-agent",), {**environment_of(logged), **own}, self.log, self.log)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def close(self) -> None:
        """End it, whatever state it is in."""
        self.process.kill()


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
