"""What became of a run, from its request and its progress. Pure."""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from contracts.agreement import Agreed
from contracts.events import TimeMs
from contracts.replay import Direction, Preparation, Replay, ReplayProgress

# Whoever works on a partition tells every second; before the first clicks it may read for long what is in force.
QUIET_MS: Final = 30_000
RunState = Literal["waiting", "running", "interrupted", "failed", "cancelling", "cancelled", "done"]


class RunStatus(Struct, frozen=True):
    """`clicks` of a run, how many are done, how many records it wrote; rates in clicks/s.

    `interrupted`: begun, not done, and nobody has told of it for `QUIET_MS`; `failed`: likewise, and somebody has said
    why. `agents` work on it. `seconds_left` is None while nobody works.

    `preparation`: nothing is decided yet, features are being counted again or compared. `agreement`: how far those are
    the logged ones, once a partition is at its end.
    """

    replay_id: str
    revision: int
    state: RunState
    model_version: str
    publish: bool
    only_changed: bool
    direction: Direction
    asked_at_ms: TimeMs
    by: str
    clicks: int
    done: int
    written: int
    clicks_per_s: float
    limit_clicks_per_s: float
    seconds_left: float | None
    agents: tuple[str, ...]
    partitions: tuple[ReplayProgress, ...]
    preparation: Preparation | None = None
    agreement: Agreed | None = None

    @property
    def is_over(self) -> bool:
        """Whether nobody goes on with it, unless it is asked for again."""
        return self.state in ("done", "cancelled", "failed")


def run_status(replay: Replay, progress: Mapping[int, ReplayProgress], now_ms: int) -> RunStatus:
    """Status at a time."""
    spans, job = replay.job.spans, replay.job
    clicks = sum(span.offsets for span in spans.values())
    done = sum(progress[p].next_offset - span.first for p, span in spans.items() if p in progress)
    working = [one for one in progress.values() if is_worked_on(one, now_ms)]
    rate = sum(one.clicks_per_s for one in working)
    # Between two partitions nobody works, and the run goes on.
    lately = any(now_ms - one.at_ms < QUIET_MS and one.problem is None for one in progress.values())
    state = _state(replay, progress, lately)
    preparation = next((one.preparation for one in working if one.preparation), None)
    left = clicks - done + _before(preparation, clicks)
    return RunStatus(
        replay_id=replay.id,
        revision=replay.revision,
        state=state,
        model_version=job.model_version,
        publish=job.publish,
        only_changed=job.only_changed,
        direction=job.direction,
        asked_at_ms=replay.request.at_ms,
        by=replay.request.by,
        clicks=clicks,
        done=done,
        written=sum(one.written for one in progress.values()),
        clicks_per_s=rate,
        limit_clicks_per_s=replay.clicks_per_s,
        seconds_left=left / rate if state == "running" and rate > 0 else None,
        agents=tuple(sorted({one.by for one in working})),
        partitions=tuple(progress[p] for p in sorted(progress)),
        preparation=preparation,
        agreement=next((one.agreement for one in progress.values() if one.agreement), None),
    )


def is_worked_on(progress: ReplayProgress, now_ms: int) -> bool:
    """Whether somebody has told of this partition lately, and is not at its end."""
    return progress.state == "running" and progress.problem is None and now_ms - progress.at_ms < QUIET_MS


def _before(preparation: Preparation | None, clicks: int) -> int:
    """How many clicks must be counted and compared before the first of `clicks` is decided."""
    if preparation is None:
        return 0
    comparing = clicks if preparation.step == "counting" else 0
    return preparation.total - preparation.clicks + comparing


def _state(replay: Replay, progress: Mapping[int, ReplayProgress], lately: bool) -> RunState:
    states = [progress[p].state if p in progress else "waiting" for p in replay.job.spans]
    if all(state == "done" for state in states):
        return "done"
    if replay.cancelled:
        return "cancelled" if all(state in ("done", "cancelled") for state in states) else "cancelling"
    if lately:
        return "running"
    if any(one.problem for one in progress.values()):
        return "failed"
    return "interrupted" if progress else "waiting"
