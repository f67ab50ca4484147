"""Looking at a run that agents do, until it is at its end."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from contracts.errors import Refused
from replay.status import RunStatus
from slidr.commands.output import progress_bars

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LOOK_S: Final = 0.5
# Sessions: longer than that of an agent that died, and than its group takes to notice.
PATIENCE_SESSIONS: Final = 1.5


def follow(found: Callable[[], RunStatus], session_s: float, say: Callable[[str], None]) -> RunStatus:
    """The run at its end, or as it was at Ctrl-C, which ends the looking and not the run.

    `say` hears a sentence when nobody takes it up for longer than an agent's session. Raises Refused for a run that
    cannot go on.
    """
    run = found()
    try:
        with progress_bars() as progress:
            task = progress.add_task(run.replay_id, total=run.clicks)
            waiting = _Waiting(PATIENCE_SESSIONS * session_s, say)
            while not (run := found()).is_over:
                draw(progress, task, run, _who(run))
                waiting.look(run)
                time.sleep(LOOK_S)
            draw(progress, task, run, run.state)
    except KeyboardInterrupt:
        return run
    if run.state == "failed":
        raise Refused(failure(run))
    return run


def draw(progress: "Progress", task: "TaskID", run: RunStatus, what: str) -> None:
    """The bar of a run; that of counting or comparing before its clicks are decided."""
    if (step := run.preparation) is None:
        progress.update(task, total=run.clicks, completed=run.done, description=f"{run.replay_id} {what}")
    else:
        progress.update(task, total=step.total, completed=step.clicks, description=f"{run.replay_id} {step.step}")


def failure(run: RunStatus) -> str:
    """Why a run does not go on."""
    problems: dict[str, list[int]] = {}
    for one in run.partitions:
        if one.problem:
            problems.setdefault(one.problem, []).append(one.partition)
    listed = "".join(f"\n  - partition(s) {', '.join(map(str, at))}: {why}" for why, at in problems.items())
    return (
        f"Replay {run.replay_id} cannot go on; {run.done:,} of {run.clicks:,} clicks are done. Mend this, and run it "
        f"again:{listed}"
    )


class _Waiting:
    """Says once that nobody works on a run, and again if that happens again."""

    def __init__(self, patience_s: float, say: Callable[[str], None]) -> None:
        self._patience_s = patience_s
        self._say = say
        self._until_s: float | None = None

    def look(self, run: RunStatus) -> None:
        now_s = time.monotonic()
        if run.state not in ("waiting", "interrupted"):
            self._until_s = None
        elif self._until_s is None:
            self._until_s = now_s + self._patience_s
        elif now_s > self._until_s:
            self._until_s = float("inf")
            self._say(
                f"No agent has taken up replay {run.replay_id} within {self._patience_s:.0f} s. Start one with "
                "`slidr replay-agent`, or look why those that run do not reach Kafka. Ctrl-C ends the waiting; with "
                "--local the same command does it here."
            )


def _who(run: RunStatus) -> str:
    count = len(run.agents)
    return f"{run.state}, {count} agent{'s' if count != 1 else ''}" if count else run.state
