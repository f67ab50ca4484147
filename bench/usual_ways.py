"""The usual ways to do the same job, each as a process: Faust here, the others in the environment of `make others`."""

import os
import sys
from pathlib import Path
from typing import NamedTuple

from bench.process import Child
from contracts.errors import Misconfigured

OTHERS_PYTHON = Path(__file__).parents[1] / ".venv-others" / "bin" / "python"

# Bytewax writes the decisions of a batch of up to 1,000 clicks at once; deciding the next one takes longer than this.
BYTEWAX_PAUSE_S = 0.1


class Servers(NamedTuple):
    """What a way works with: bootstrap servers, a Redis, the folder of a release."""

    kafka: str
    redis_url: str
    release: Path


class Way(NamedTuple):
    """One engine used in one way.

    `key` names it in results, and its topic of decisions; its Redis `database` is its own. Decisions may come in
    bursts, at least `pause_s` apart.
    """

    key: str
    name: str
    module: str
    arguments: tuple[str, ...]
    database: int
    guess_per_s: float
    python: Path = OTHERS_PYTHON
    pause_s: float = 0.0

    def process(self, servers: Servers, clicks: str, decisions: str, folder: Path) -> Child:
        """The way as a process, not started yet, from one topic to another."""
        environment = {
            **os.environ,
            "USUAL_KAFKA": servers.kafka,
            "USUAL_REDIS": f"{servers.redis_url.removesuffix('/0')}/{self.database}",
            "USUAL_RELEASE": str(servers.release),
            "USUAL_CLICKS": clicks,
            "USUAL_DECISIONS": decisions,
            "USUAL_STATE": str(folder / f"{self.key}-state"),
        }
        return Child(self.module, self.arguments, environment, folder / f"{self.key}.log", self.python)


def _bytewax(key: str, name: str, flow: str, database: int, guess_per_s: float) -> Way:
    flow = f"bench.usual_bytewax:{flow}"
    return Way(key, name, "bytewax.run", (flow,), database, guess_per_s, pause_s=BYTEWAX_PAUSE_S)


FAUST = Way(
    "usual_faust", "the usual Faust way", "bench.usual_faust", ("worker", "--without-web"), 1, 300, Path(sys.executable)
)
OTHERS = (
    Way("quix_streams", "Quix Streams", "bench.usual_quix", (), 2, 600),
    _bytewax("bytewax", "Bytewax", "flow", 3, 600),
    _bytewax("bytewax_batches", "Bytewax, in batches", "flow_of_batches", 4, 800),
)
WAYS = (FAUST, *OTHERS)


def check_others() -> None:
    """Raises Misconfigured where the other engines are not installed."""
    if not OTHERS_PYTHON.exists():
        raise Misconfigured("Quix Streams and Bytewax are not installed here. Run `make others`, then this again.")
