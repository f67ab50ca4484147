"""Runs of replays as tables and bars for a terminal."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from replay.status import RunStatus
from slidr.commands.output import progress_bars
from slidr.replay_following import LOOK_S, draw
from slidr.replay_words import preparation_text
from slidr.times import show_duration, show_time

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID
    from rich.table import Table


def status_table(runs: "Sequence[RunStatus]") -> "Table":
    """Runs, some lines each; ids are whole on any terminal, for whoever copies them."""
    from rich.table import Column, Table

    table = Table(
        Column("replay", no_wrap=True), Column("what", overflow="fold"), "state", "done", "clicks/s", show_lines=True
    )
    for run in runs:
        output = "published" if run.publish else "shadow topic"
        if run.only_changed:
            output += f", changes ({run.direction})"
        at = "" if run.preparation is None else f"\n{preparation_text(run.preparation)}"
        left = "" if run.seconds_left is None else f"\n{show_duration(run.seconds_left)} left"
        table.add_row(
            f"{run.replay_id}\nrevision {run.revision}\nby {run.by}",
            f"{run.model_version}\n{output}",
            f"{run.state}{at}{left}",
            f"{run.done:,} of {run.clicks:,} ({run.done / max(1, run.clicks):.0%})\n{run.written:,} written",
            f"{run.clicks_per_s:,.0f}\nof {run.limit_clicks_per_s:,.0f}",
        )
    return table


def partition_table(run: RunStatus) -> "Table":
    """Partitions of a run that somebody has begun, a line each, and what keeps them."""
    from rich.table import Table

    table = Table("partition", "state", "written", "next offset", "clicks/s", "by", "told", "problem")
    for one in run.partitions:
        state = "failed" if one.problem else one.state
        at_work = f"{one.clicks_per_s:,.0f}" if one.by in run.agents and state == "running" else "-"
        table.add_row(
            str(one.partition),
            state,
            f"{one.written:,}",
            str(one.next_offset),
            at_work,
            one.by,
            show_time(one.at_ms),
            one.problem or "-",
        )
    return table


def show_progress(found: "Callable[[], Sequence[RunStatus]]") -> None:
    """Bars of runs that are not at their end, until they are; Ctrl-C ends the looking, not the run."""
    with progress_bars() as progress:
        tasks = {run.revision: progress.add_task(run.replay_id, total=run.clicks) for run in found()}
        try:
            while any(not run.is_over for run in _drawn(found(), progress, tasks)):
                time.sleep(LOOK_S)
        except KeyboardInterrupt:
            return


def _drawn(runs: "Sequence[RunStatus]", progress: "Progress", tasks: "dict[int, TaskID]") -> "Sequence[RunStatus]":
    for run in runs:
        if run.revision in tasks:
            draw(progress, tasks[run.revision], run, run.state)
    return runs
