"""The whole range of a plan decided again, and nothing written: what a run changes, click by click."""

from collections.abc import Callable

import numpy as np
import pyarrow.compute as pc

from contracts.replay import Replay, ReplayRequest
from replay.comparison import Compared, Comparison
from replay.log import ReplayLog
from replay.logs import Logs
from replay.plan import Plan
from replay.reading import open_reader
from replay.rescoring import Rescorer
from replay.rows import MOST_ROWS, ReadRows, selected
from replay.standing import earlier_of, read_standing


def compare(
    logs: Logs, plan: Plan, rescorer: Rescorer, log: ReplayLog,
    on_clicks: Callable[[int], None] = lambda clicks: None, read: ReadRows | None = None,
) -> Compared:  # fmt: skip
    """Against the decisions that were in force before the plan's published run, or are, if there was none."""
    comparison, replay, replays = Comparison(), _replay_of(plan, log), log.replays()
    consumer = open_reader(logs.kafka)
    try:
        for partition, span in plan.job.spans.items():
            earlier = earlier_of(replay, replays, partition)
            standing = read_standing(consumer, logs, partition, span, earlier, span.first)
            for rows in (read or logs.rows)(consumer, partition, span, MOST_ROWS):
                chosen = rows.where(selected(rows, plan.job.selection))
                if len(chosen.columns):
                    logged = np.asarray(pc.equal(chosen.columns["verdict"], "invalid"))
                    was = standing.invalid(chosen.offsets, logged)
                    comparison.add(chosen, rescorer.rescore(chosen), was)
                on_clicks(len(rows.columns))
    finally:
        consumer.close()
    return comparison.result()


def _replay_of(plan: Plan, log: ReplayLog) -> Replay:
    """The plan's published run; one that comes after all others, if there is none."""
    replays = log.replays()
    for replay in replays:
        if replay.id == plan.id and replay.job.publish:
            return replay
    last = replays[-1].revision if replays else 0
    return Replay(ReplayRequest("run", plan.id, last, plan.created_at_ms, "", plan.job), plan.job, False, 0.0)
