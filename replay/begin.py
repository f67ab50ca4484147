"""Beginning a run, or finding the one that was begun: every check comes before the first record."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from contracts.errors import Misconfigured, Refused
from contracts.events import TimeMs
from contracts.replay import Direction, Replay, ReplayJob
from replay.log import ReplayLog
from replay.output import make_shadow_topic
from replay.plan import Plan, overlap
from replay.releases import Releases
from replay.status import QUIET_MS

# A modest rate: a tenth of what one core decides, so that live workers beside it keep their latency.
CLICKS_PER_S: Final = 10_000.0


def job_of(plan: Plan, *, publish: bool, only_changed: bool, direction: Direction) -> ReplayJob:
    """The plan's job with what the run is told. Raises Misconfigured for a direction that could not be kept."""
    if direction != "both" and not only_changed:
        raise Misconfigured("--direction tells which changes are written, so it needs --only-changed.")
    return replace(plan.job, publish=publish, only_changed=only_changed, direction=direction)


def begin(
    kafka: Mapping[str, Any], prefix: str, releases: Releases, log: ReplayLog, plan_id: str, job: ReplayJob,
    at_ms: TimeMs, by: str, *, clicks_per_s: float | None = None, again: bool = False, shared: bool = False,
) -> Replay:  # fmt: skip
    """The run of this plan, asked for now or before; `shared`: of agents. Raises Refused, and nothing was written."""
    releases.check(job)
    replays = log.replays()
    mine = [replay for replay in replays if replay.id == plan_id and replay.job.publish == job.publish]
    if mine:
        replay = _resumed(mine[-1], job)
        if shared and not log.is_final(replay):
            _share_again(log, replay, at_ms, by)
        return replay
    if job.publish:
        _check_overlaps(log, replays, job, again=again)
    revision = log.ask("run", plan_id, at_ms, by, job, clicks_per_s or CLICKS_PER_S, shared=shared)
    replay = next(replay for replay in log.replays() if replay.revision == revision)
    if not job.publish:
        make_shadow_topic(kafka, replay, prefix)
    return replay


def _resumed(replay: Replay, job: ReplayJob) -> Replay:
    if replay.cancelled:
        raise Refused(f"Replay {replay.id} was cancelled, and a cancelled one is not taken up again. Make a new plan.")
    if replay.job != job:
        raise Refused(
            f"Replay {replay.id} was begun with other options (only changed: {replay.job.only_changed}, direction: "
            f"{replay.job.direction}). Run it with those, or make a new plan."
        )
    return replay


def _share_again(log: ReplayLog, replay: Replay, at_ms: TimeMs, by: str) -> None:
    """Ask agents for what is left of a run. What kept it before is forgotten: they will say if it still does."""
    for known in log.progress(replay.revision).values():
        if known.problem is not None:
            # As of long ago: nobody is at work on it.
            log.tell(replace(known, problem=None, clicks_per_s=0.0, by=by, at_ms=at_ms - QUIET_MS))
    log.ask("rate", replay.id, at_ms, by, clicks_per_s=replay.clicks_per_s, of_revision=replay.revision, shared=True)


def _check_overlaps(log: ReplayLog, replays: list[Replay], job: ReplayJob, *, again: bool) -> None:
    others = [replay for replay in replays if replay.job.publish and overlap(replay.job.spans, job.spans)]
    if unfinished := [replay.id for replay in others if not log.is_final(replay)]:
        raise Refused(
            f"Replay(s) {', '.join(unfinished)} are publishing over the same clicks and not done. Let them end, or "
            "cancel them: `slidr replay cancel ID`."
        )
    if others and not again:
        raise Refused(
            f"Replay(s) {', '.join(replay.id for replay in others)} have published over the same clicks. --again "
            "publishes once more: the later replay wins."
        )
