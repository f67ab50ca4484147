"""Cancelling a run and changing its rate: requests in the log, which whoever works on it reads every second."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from contracts.errors import Refused, Unavailable
from contracts.replay import Replay
from replay.log import ReplayLog, is_final
from replay.status import RunStatus, is_worked_on, run_status

_WAIT_S: Final = 60.0
_ASK_AGAIN_S: Final = 0.2


def statuses(log: ReplayLog, now_ms: int) -> list[RunStatus]:
    """All runs, in order of revisions."""
    return [run_status(replay, log.progress(replay.revision), now_ms) for replay in log.replays()]


def cancel(log: ReplayLog, replay_id: str, by: str, now_ms: Callable[[], int]) -> RunStatus:
    """Cancel what is not done of a replay, and return when nothing more will be written.

    Raises Refused if there is nothing to cancel, Unavailable if whoever works on it does not stop.
    """
    replay = unfinished(log, replay_id)
    if not replay.cancelled:
        log.ask("cancel", replay_id, now_ms(), by, of_revision=replay.revision)
    deadline_s = time.monotonic() + _WAIT_S
    while not is_final(replay, log.progress(replay.revision)):
        if time.monotonic() > deadline_s:
            raise Unavailable(
                f"Replay {replay_id} is cancelled, but whoever works on it has not stopped within {_WAIT_S:.0f} s. End "
                "that process, and cancel again."
            )
        for partition in replay.job.spans:
            _close_if_quiet(log, replay, partition, by, now_ms())
        time.sleep(_ASK_AGAIN_S)
    found = next(one for one in log.replays() if one.revision == replay.revision)
    return run_status(found, log.progress(replay.revision), now_ms())


def change_rate(log: ReplayLog, replay_id: str, clicks_per_s: float, by: str, now_ms: int) -> Replay:
    """A new limit for what is not done of a replay, from the next second on."""
    replay = unfinished(log, replay_id)
    log.ask("rate", replay_id, now_ms, by, clicks_per_s=clicks_per_s, of_revision=replay.revision)
    return replay


def unfinished(log: ReplayLog, replay_id: str) -> Replay:
    """The newest run of a replay that is not at its end. Raises Refused if there is none."""
    runs: Sequence[Replay] = [replay for replay in log.replays() if replay.id == replay_id]
    for replay in reversed(runs):
        if not log.is_final(replay):
            return replay
    what = "is at its end" if runs else "was never run"
    raise Refused(f"Replay {replay_id!r} {what}: there is nothing to change. `slidr replay status` lists all.")


def _close_if_quiet(log: ReplayLog, replay: Replay, partition: int, by: str, now_ms: int) -> None:
    """Say of a partition that nobody works on that it is cancelled: nobody else would."""
    known = log.progress_of(replay, partition, by)
    if known.state == "running" and not is_worked_on(known, now_ms):
        log.tell(replace(known, state="cancelled", clicks_per_s=0.0, by=by, at_ms=now_ms))
