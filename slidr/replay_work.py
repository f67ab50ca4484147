"""A run to its end, with bars: in this process, on features as logged or counted again, or looking at agents."""

import threading

import typer

from contracts.replay import Replay
from replay.log import ReplayLog, now_ms
from replay.status import RunStatus, run_status
from slidr.commands.output import progress_bars, stepped
from slidr.replay_following import follow
from slidr.replaying import Outcome, clicks_of, do_partitions, outcome_of, user, where_of
from slidr.settings import Settings


def run_to_its_end(settings: Settings, replay: Replay, log: ReplayLog, *, local: bool) -> Outcome:
    """What became of the run. Raises SlidrError; what was done stays done."""

    def found() -> RunStatus:
        return run_status(log.replay(replay.revision) or replay, log.progress(replay.revision), now_ms())

    if not local:
        follow(found, settings.session_timeout_s, lambda told: typer.echo(told, err=True))
    elif replay.job.recompute is None:
        _run_here(settings, replay, log)
    else:
        _recompute_here(settings, replay, log)
    return outcome_of(settings, found(), replay)


def _run_here(settings: Settings, replay: Replay, log: ReplayLog) -> None:
    with progress_bars() as progress:
        task = progress.add_task("Replaying", total=clicks_of(replay.job))
        do_partitions(
            settings, where_of(settings, user()), replay, log, lambda clicks: progress.advance(task, clicks),
            threading.Event(),
        )  # fmt: skip


def _recompute_here(settings: Settings, replay: Replay, log: ReplayLog) -> None:
    # What Redis needs takes long to import.
    from slidr.recomputing import recompute

    with progress_bars(width=9) as progress:
        recompute(settings, where_of(settings, user()), stepped(progress), replay, log, threading.Event())
