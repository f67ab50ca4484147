"""Running a replay, in this process or by agents; plans and runs as tables."""

import getpass
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from contracts.replay import Replay, ReplayJob, ReplayState
from model.signature import read_trusted_keys
from replay.agreement import Agreed
from replay.begin import CLICKS_PER_S
from replay.estimate import Estimate
from replay.log import ReplayLog
from replay.logs import Logs
from replay.output import output_topic
from replay.plan import Plan
from replay.releases import Releases
from replay.rows import ReadRows
from replay.run import PartitionRun, Where
from replay.status import RunState, RunStatus, run_status
from slidr.commands.output import progress_bars
from slidr.replay_following import follow
from slidr.settings import Settings, kafka_config
from slidr.times import show_time

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID
    from rich.table import Table

# told(step, total, n): n more clicks of a step are done.
Told = Callable[[str, int, int], None]
_LOOK_S: Final = 0.5
# Differing features that are named, those that differ most first.
_NAMED: Final = 10


class Outcome(Struct):
    """What became of a run; `written` records of it stand in `topic`.

    `agreement` of features counted again with those that were logged, where this process has counted them.
    """

    replay_id: str
    revision: int
    state: RunState
    written: int
    topic: str
    agreement: Agreed | None = None


def user() -> str:
    """Who runs the command, as it is written into the log of requests."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"


def releases_of(settings: Settings) -> Releases:
    """The releases of the deployment, and whose signatures it trusts."""
    return Releases(settings.models_uri, read_trusted_keys(settings.trusted_keys_file))


def logs_of(settings: Settings) -> Logs:
    """Feature log and decisions of the deployment, in Kafka and in the archive."""
    return Logs(kafka_config(settings, "consumer"), settings.topic_prefix, settings.archive_uri)


def run_here(
    settings: Settings,
    replay: Replay,
    log: ReplayLog,
    on_clicks: Callable[[int], None],
    read: ReadRows | None = None,
) -> Outcome:
    """Do all partitions of a run, one after the other. Raises SlidrError; what was done stays done."""
    where = Where(kafka_config(settings, "consumer"), settings.topic_prefix, user(), settings.archive_uri)
    keep_rules = replay.job.keep_rules or replay.job.recompute is not None
    rescorer = releases_of(settings).rescorer(replay.job.model_version, keep_rules=keep_rules)
    states = [
        PartitionRun(where, replay, partition, rescorer, log, on_clicks, read=read).run()
        for partition in sorted(replay.job.spans)
    ]  # fmt: skip
    written = sum(progress.written for progress in log.progress(replay.revision).values())
    state: ReplayState = "cancelled" if "cancelled" in states else "done"
    return Outcome(replay.id, replay.revision, state, written, output_topic(replay, settings.topic_prefix))


def run_by_agents(
    settings: Settings, replay: Replay, log: ReplayLog, now_ms: Callable[[], int], say: Callable[[str], None]
) -> Outcome:
    """Look at what agents do of a run, until it is at its end or somebody has seen enough. Raises SlidrError."""

    def found() -> RunStatus:
        (known,) = (one for one in log.replays() if one.revision == replay.revision)
        return run_status(known, log.progress(replay.revision), now_ms())

    run = follow(found, settings.session_timeout_s, say)
    return Outcome(replay.id, replay.revision, run.state, run.written, output_topic(replay, settings.topic_prefix))


def clicks_of(job: ReplayJob) -> int:
    """How many records of `clicks` a job covers."""
    return sum(span.offsets for span in job.spans.values())


def agreement_text(found: Agreed) -> str:
    """The same for a terminal."""
    if not found.clicks:
        return "No click was compared with what was logged."
    differ = found.clicks - found.equal
    flips = found.verdicts_explained + found.verdicts_unexplained
    lines = [
        f"Counted again and logged: of {found.clicks:,} clicks {found.equal / found.clicks:.4%} have every feature bit "
        f"for bit. {differ:,} do not: {found.shared:,} by the order of clicks of an IP that partitions share, "
        f"{found.without_state:,} were decided without their state, {found.unexplained:,} are not explained.",
        f"Verdicts of the releases that decided: {found.verdict_ratio:.4%} are the same; {flips:,} differ, of which "
        f"{found.verdicts_unexplained:,} are not explained.",
    ]
    if found.verdicts_unknown:
        lines.append(f"{found.verdicts_unknown:,} were decided by releases that cannot be read any more.")
    if named := [(equal, name) for name, equal in found.features.items() if equal < found.clicks]:
        shares = ", ".join(f"{name} {equal / found.clicks:.4%}" for equal, name in sorted(named)[:_NAMED])
        lines.append(f"Features that differ most, with the share that is equal: {shares}.")
    for one in found.named:
        what = ", ".join(one.features) or "the verdict alone"
        lines.append(f"Not explained: clicks[{one.partition}] offset {one.offset}, {one.click_id}: {what}.")
    return "\n".join(lines)


def plan_table(plan: Plan) -> "Table":
    """What a plan would do, for a terminal."""
    from rich.table import Table

    table = Table(title=f"Replay {plan.id}", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column()
    for name, value in _lines(plan):
        table.add_row(name, value)
    return table


def status_table(runs: "Sequence[RunStatus]") -> "Table":
    """Runs, a line each."""
    from rich.table import Table

    table = Table("replay", "revision", "state", "release", "output", "done", "written", "clicks/s", "left", "by")
    for run in runs:
        output = "published" if run.publish else "shadow"
        if run.only_changed:
            output += f", changes ({run.direction})"
        table.add_row(
            run.replay_id,
            str(run.revision),
            run.state,
            run.model_version,
            output,
            f"{run.done:,} of {run.clicks:,} ({run.done / max(1, run.clicks):.0%})",
            f"{run.written:,}",
            f"{run.clicks_per_s:,.0f} of {run.limit_clicks_per_s:,.0f}",
            "-" if run.seconds_left is None else _duration(run.seconds_left),
            run.by,
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
            while any(run.state not in ("done", "cancelled", "failed") for run in _drawn(found(), progress, tasks)):
                time.sleep(_LOOK_S)
        except KeyboardInterrupt:
            return


def _drawn(runs: "Sequence[RunStatus]", progress: "Progress", tasks: "dict[int, TaskID]") -> "Sequence[RunStatus]":
    for run in runs:
        if run.revision in tasks:
            progress.update(tasks[run.revision], completed=run.done, description=f"{run.replay_id} {run.state}")
    return runs


def _lines(plan: Plan) -> Iterator[tuple[str, str]]:
    job, outlook = plan.job, plan.outlook
    selection = job.selection
    yield "decided", f"{show_time(plan.from_ms)} to {show_time(plan.to_ms)}"
    yield "again by", job.model_version
    for name, values in (("slices", selection.slices), ("advertisers", selection.advertisers)):
        if values:
            yield name, ", ".join(values)
    if selection.model_version_was:
        yield "decided by", selection.model_version_was
    if any(part.place == "archive" for part in plan.parts):
        for part in plan.parts:
            when = f"{show_time(part.from_ms)} to {show_time(part.to_ms)}"
            where = "the archive" if part.place == "archive" else "Kafka"
            yield f"from {where}", f"clicks[{part.partition}] {part.first} to {part.end - 1}, {when}"
    else:
        offsets = (f"clicks[{p}] {span.first} to {span.end - 1}" for p, span in sorted(job.spans.items()))
        yield "from Kafka", ", ".join(offsets)
    for lost in plan.expired:
        since = "before" if lost.since_ms is None else f"{show_time(lost.since_ms)} to"
        yield "left out", f"partition {lost.partition}, {since} {show_time(lost.until_ms)}: in neither of them"
    yield "clicks", f"{outlook.clicks:,}, of which {_shown(outlook.matching)} match"
    yield "valid → invalid", _shown(outlook.invalidated)
    yield "invalid → valid", _shown(outlook.restored)
    for currency, money in outlook.money.items():
        yield f"{currency} credited", _shown(money.credited, 1e-6, 2)
        yield f"{currency} charged", _shown(money.charged, 1e-6, 2)
    counted = sum(one.end - one.first for one in (job.recompute or {}).values())
    if counted:
        yield "features", f"counted again from {counted:,} clicks; the estimates take those that were logged"
    for short in plan.short:
        yield "not counted", f"partition {short.partition}, before {show_time(short.until_ms)}: expired"
    how = "all were read" if outlook.exact else f"{outlook.sampled:,} were read; intervals of {outlook.confidence:.0%}"
    yield "estimated", how
    limit = f"{CLICKS_PER_S:,.0f} clicks/s, the default limit"
    # Counting, comparing and deciding come one after another.
    counting_s = (counted + outlook.clicks) / CLICKS_PER_S if counted else 0.0
    yield "takes", f"{_duration(outlook.seconds(CLICKS_PER_S) + counting_s)} at {limit}"


def _shown(estimate: Estimate, unit: float = 1.0, decimals: int = 0) -> str:
    value, low, high = (f"{number * unit:,.{decimals}f}" for number in (estimate.value, estimate.low, estimate.high))
    return value if low == high else f"{value} ({low} to {high})"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return (
        f"{seconds:.0f} s"
        if minutes < 2
        else f"{minutes // 60} h {minutes % 60} min"
        if minutes > 99
        else f"{minutes} min"
    )
