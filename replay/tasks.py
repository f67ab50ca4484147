"""A run in parts: who is asked for which, and one part done from wherever it stands.

    replay-requests   run r-a, shared ──► replay-tasks[0]   r-a 0     an agent of replay-tasks[0] does partition 0
                                          replay-tasks[1]   r-a 1     an agent of replay-tasks[1] does partition 1

Everything here may be done twice: a partition that is at its end is left alone, and one that is not goes on from the
run's own records.
"""

import threading
import time

import msgspec
from msgspec.structs import replace

from contracts.errors import BadInput, Misconfigured, Refused
from contracts.replay import Replay, ReplayRequest, ReplayTask
from replay.log import ReplayLog, decoded
from replay.output import make_shadow_topic
from replay.releases import Releases
from replay.run import PartitionRun, Where

_requests = msgspec.json.Decoder(ReplayRequest)
_tasks = msgspec.json.Decoder(ReplayTask)


def tasks_of(where: Where, value: bytes) -> list[ReplayTask]:
    """What a record of `replay-requests` asks agents to do. Raises BadInput, Unavailable."""
    request = decoded(_requests, value, "A record")
    if not request.shared:
        return []
    with ReplayLog(where.kafka, where.prefix) as log:
        replay = log.replay(request.of_revision or request.revision)
        if replay is None or replay.cancelled:
            return []
        _check_parts(replay)
        if not replay.job.publish:  # whoever asked may have ended before it made it
            make_shadow_topic(where.kafka, replay, where.prefix)
        progress = log.progress(replay.revision)
        left = [p for p in sorted(replay.job.spans) if p not in progress or progress[p].state == "running"]
    return [ReplayTask(replay.id, replay.revision, partition) for partition in left]


def do_task(where: Where, releases: Releases, value: bytes, stop: threading.Event) -> bool:
    """Do a record of `replay-tasks`; False if it was stopped. Raises BadInput, Unavailable.

    What needs an operator is written into the progress, for whoever asked: then the task is at its end too.
    """
    task = decoded(_tasks, value, "A record")
    with ReplayLog(where.kafka, where.prefix) as log:
        replay = log.replay(task.revision)
        if replay is None or task.partition not in replay.job.spans:
            raise BadInput(f"There is no partition {task.partition} of a replay with revision {task.revision}.")
        _check_parts(replay)
        try:
            releases.check(replay.job)
            rescorer = releases.rescorer_for(replay.job)
            return PartitionRun(where, replay, task.partition, rescorer, log, stop=stop).run() != "running"
        except (BadInput, Misconfigured, Refused) as error:
            known = log.progress_of(replay, task.partition, where.by)
            log.tell(replace(known, problem=str(error), clicks_per_s=0.0, by=where.by, at_ms=_now_ms()))
            return True


def _check_parts(replay: Replay) -> None:
    """Raise BadInput for a run that cannot be done in parts."""
    if replay.job.recompute is not None:
        raise BadInput(
            f"Replay {replay.id} counts features again, over all partitions at once: agents leave it out. "
            f"`slidr replay run {replay.id} --local` does it."
        )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
