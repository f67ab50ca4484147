"""A run in parts: who is asked for which, and one part done from wherever it stands.

    replay-requests   run r-a, shared ──► replay-tasks[0]   r-a 0     an agent of replay-tasks[0] does partition 0
                                          replay-tasks[1]   r-a 1     an agent of replay-tasks[1] does partition 1
                      run r-b, shared ──► replay-tasks[0]   r-b 0     counts features again: one agent does all of it

Everything here may be done twice: a partition that is at its end is left alone, and one that is not goes on from the
run's own records.
"""

import threading
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from contracts.errors import BadInput, Misconfigured, Refused
from contracts.replay import Replay, ReplayProgress, ReplayRequest, ReplayTask
from replay.log import ReplayLog, decoded, left_of, now_ms
from replay.output import make_shadow_topic
from replay.releases import Releases
from replay.run import PartitionRun, Where

# recompute(replay, log, stop): do what is left of a run on features counted again. Raises SlidrError.
Recompute = Callable[[Replay, ReplayLog, threading.Event], None]

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
        if not replay.job.publish:  # whoever asked may have ended before it made it
            make_shadow_topic(where.kafka, replay, where.prefix)
        left = left_of(replay, log.progress(replay.revision))
    if left and replay.job.recompute is not None:
        left = [min(replay.job.spans)]
    return [ReplayTask(replay.id, replay.revision, partition) for partition in left]


def do_task(
    where: Where, releases: Releases, recompute: Recompute, value: bytes, stop: threading.Event,
    told: Callable[[ReplayProgress], None] = lambda progress: None,
) -> bool:  # fmt: skip
    """Do a record of `replay-tasks`; False if it was stopped. `told` hears how far it is. Raises BadInput, Unavailable.

    What needs an operator is written into the progress, for whoever asked: then the task is at its end too.
    """
    task = decoded(_tasks, value, "A record")
    with ReplayLog(where.kafka, where.prefix, told) as log:
        replay = log.replay(task.revision)
        if replay is None or task.partition not in replay.job.spans:
            raise BadInput(f"There is no partition {task.partition} of a replay with revision {task.revision}.")
        if not _left(replay, task, log):
            return True
        try:
            releases.check(replay.job)
            if replay.job.recompute is not None:
                recompute(replay, log, stop)
            else:
                PartitionRun(where, replay, task.partition, releases.rescorer_for(replay.job), log, stop=stop).run()
        except (BadInput, Misconfigured, Refused) as error:
            for partition in _left(replay, task, log)[:1]:
                _tell_problem(log, log.progress_of(replay, partition, where.by), str(error), where.by)
            return True
        return not _left(replay, task, log)


def _left(replay: Replay, task: ReplayTask, log: ReplayLog) -> list[int]:
    """Partitions that are left of a task, in order."""
    left = left_of(replay, log.progress(replay.revision))
    return left if replay.job.recompute is not None else [p for p in left if p == task.partition]


def _tell_problem(log: ReplayLog, known: ReplayProgress, problem: str, by: str) -> None:
    log.tell(replace(known, problem=problem, clicks_per_s=0.0, by=by, at_ms=now_ms(), preparation=None))
