"""JSON Schemas of the events, for those who read or write our topics in other languages: `schemas/<topic>.json`.

Write them anew with `python -m contracts.schemas` (`make schemas`). It refuses a change that would break readers or
writers of the topic; a topic whose events must break needs another name.
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from contracts.compatibility import incompatibilities
from contracts.errors import Refused
from contracts.events import Click, Decision, FinalityMarker, Purchase, ReleaseEvent, WorkerStatus
from contracts.replay import ReplayProgress, ReplayRequest, ReplayTask
from contracts.topics import Topic

FOLDER = Path(__file__).with_name("schemas")
DIALECT = "https://json-schema.org/draft/2020-12/schema"
EVENTS: dict[Topic, type[msgspec.Struct]] = {
    Topic.CLICKS: Click,
    Topic.PURCHASES: Purchase,
    Topic.DECISIONS: Decision,
    Topic.MODEL_RELEASES: ReleaseEvent,
    Topic.WORKER_STATUS: WorkerStatus,
    Topic.REPLAY_REQUESTS: ReplayRequest,
    Topic.REPLAY_TASKS: ReplayTask,
    Topic.REPLAY_PROGRESS: ReplayProgress,
    Topic.DECISION_MARKERS: FinalityMarker,
}
# Others write these; all the rest is written by us.
INPUTS = frozenset({Topic.CLICKS, Topic.PURCHASES})


def schema(topic: Topic) -> dict[str, Any]:
    """JSON Schema of a topic's event, as the code has it."""
    made = {"$schema": DIALECT, **msgspec.json.schema(EVENTS[topic])}
    found: dict[str, Any] = json.loads(json.dumps(made))  # defaults as they stand in the file: tuples are lists
    return found


def committed_schema(topic: Topic) -> dict[str, Any] | None:
    """JSON Schema of a topic's event, as others know it; None for a topic that nobody knows yet."""
    path = FOLDER / f"{topic}.json"
    return json.loads(path.read_bytes()) if path.exists() else None


def write_schemas() -> list[Path]:
    """Write every schema. Raises Refused, and writes nothing, when a change would break somebody."""
    broken = [f"{topic} {why}" for topic in EVENTS for why in broken_by_code(topic)]
    if broken:
        raise Refused("These changes break readers or writers:" + "".join(f"\n  - {why}" for why in broken))
    FOLDER.mkdir(exist_ok=True)
    paths = [FOLDER / f"{topic}.json" for topic in EVENTS]
    for path, topic in zip(paths, EVENTS, strict=True):
        path.write_text(json.dumps(schema(topic), indent=2) + "\n")
    return paths


def broken_by_code(topic: Topic) -> list[str]:
    """What the code would break of the schema that others know."""
    committed = committed_schema(topic)
    return incompatibilities(committed, schema(topic), ours=topic not in INPUTS) if committed else []


if __name__ == "__main__":
    try:
        for written in write_schemas():
            print(written)
    except Refused as error:
        sys.exit(str(error))
