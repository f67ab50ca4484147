"""A run to its end, with bars: in this process, on features as logged or counted again, or looking at agents."""

import time

import typer

from contracts.replay import Replay
from replay.log import ReplayLog
from slidr.commands.output import progress_bars, stepped
from slidr.replaying import Outcome, clicks_of, run_by_agents, run_here
from slidr.settings import Settings


def run_to_its_end(settings: Settings, replay: Replay, log: ReplayLog, *, local: bool) -> Outcome:
    """What became of the run. Raises SlidrError; what was done stays done."""
    if not local:
        return run_by_agents(settings, replay, log, _now_ms, lambda told: typer.echo(told, err=True))
    if replay.job.recompute is None:
        with progress_bars() as progress:
            task = progress.add_task("Replaying", total=clicks_of(replay.job))
            return run_here(settings, replay, log, lambda clicks: progress.advance(task, clicks))
    # What Redis needs takes long to import.
    from slidr.recomputing import recompute_here

    with progress_bars(width=9) as progress:
        return recompute_here(settings, replay, log, stepped(progress))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
