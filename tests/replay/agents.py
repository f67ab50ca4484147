"""Replay agents in processes of their own."""

from pathlib import Path

from tests.acceptance.deployment import WorkerProcess
from tests.replay.conftest import environment_of
from tests.replay.logged import Logged


class AgentProcess(WorkerProcess):
    """One `slidr replay-agent` by a name of its own."""

    def __init__(self, logged: Logged, name: str, folder: Path, port: int | None, environment: dict[str, str]) -> None:
        own = {**environment_of(logged), "SLIDR_WORKER_ID": name, **environment}
        super().__init__(own, folder / f"{name}.log", port, command="replay-agent")
        self.name = name


class Agents:
    """Those of one test."""

    def __init__(self, logged: Logged, folder: Path) -> None:
        self._logged = logged
        self._folder = folder
        self._all: list[AgentProcess] = []

    def start(self, port: int | None = None, **environment: str) -> AgentProcess:
        """Start one more, its health on `port` or a free one; settings may be overridden."""
        agent = AgentProcess(self._logged, f"agent-{len(self._all)}", self._folder, port, environment)
        self._all.append(agent)
        return agent

    def logs(self) -> str:
        """What they said last."""
        return "\n".join(f"--- {agent.name}\n{agent.log.read_text()[-3_000:]}" for agent in self._all)

    def close(self) -> None:
        """End all."""
        for agent in self._all:
            agent.close()
