"""`slidr replay`: decide a past range again, see what that changes, and correct it."""

import time
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from contracts.errors import Misconfigured, Refused
from slidr.commands.output import AsJson, print_json, progress_bars, stepped
from slidr.times import TIME_HELP, parse_time, show_time

if TYPE_CHECKING:
    from replay.plan import Plan
    from replay.status import RunStatus

app = typer.Typer(help="Decide a past range again by another release, and correct it.", no_args_is_help=True)

From = Annotated[str, typer.Option("--from", help=f"Decisions made since: {TIME_HELP}.", show_default=False)]
To = Annotated[str | None, typer.Option("--to", help="Decisions made before; now, without it.")]
Slices = Annotated[list[str] | None, typer.Option("--slice", help="Only this slice, such as mobile|guest; repeatable.")]
Advertisers = Annotated[list[str] | None, typer.Option("--advertiser", help="Only this advertiser; repeatable.")]
VersionWas = Annotated[str | None, typer.Option(help="Only what this release decided.")]
Model = Annotated[str, typer.Option(help="The release that decides again.", show_default=False)]
KeepRules = Annotated[
    bool, typer.Option("--keep-rules", help="Take rules that fired as logged though the release has other lists.")
]
AllowGaps = Annotated[
    bool,
    typer.Option(
        "--allow-gaps", help="Replay what is left of a range of which a part is neither in Kafka nor archived."
    ),
]
Recompute = Annotated[
    bool, typer.Option("--recompute", help="Count features again from clicks, and let rules fire again.")
]
ReplayIdOf = Annotated[str, typer.Argument(metavar="ID", help="As `slidr replay plan` printed it.", show_default=False)]
Local = Annotated[bool, typer.Option("--local", help="Do the work in this process, without agents.")]
Publish = Annotated[
    bool, typer.Option("--publish", help="Write corrections to decisions, not to a topic of the replay's own.")
]
OnlyChanged = Annotated[bool, typer.Option("--only-changed", help="Write only verdicts that change.")]
DirectionOf = Annotated[
    Literal["invalidate", "restore", "both"], typer.Option("--direction", help="Which changes are written.")
]
Again = Annotated[bool, typer.Option("--again", help="Publish though another replay has published over the range.")]
ClicksPerS = Annotated[
    float | None, typer.Option(min=1, help="Rate limit of a new run in clicks/s.", show_default="10000")
]
MaybeId = Annotated[str | None, typer.Argument(metavar="[ID]", help="Only the runs of this one.")]
Follow = Annotated[bool, typer.Option("--follow", help="Draw a bar until the runs are at their end.")]
NewRate = Annotated[float, typer.Argument(min=1, help="The new limit in clicks/s.", show_default=False)]


@app.command()
def plan(
    start: From,
    model: Model,
    end: To = None,
    slices: Slices = None,
    advertisers: Advertisers = None,
    model_version_was: VersionWas = None,
    keep_rules: KeepRules = False,
    allow_gaps: AllowGaps = False,
    recompute: Recompute = False,
    as_json: AsJson = False,
) -> None:
    """Freeze a range, estimate what another release would change in it, and save that under an id. Changes nothing.

    The range is that of the decisions' own times. docs/replay.md tells more.

    Example: slidr replay plan --from 2024-06-01T22:10 --to 2024-06-02T03:00 --model mobile-17
    """
    from contracts.replay import Selection
    from replay.planning import Wish, make_plan
    from replay.plans import Plans
    from slidr.replaying import releases_of
    from slidr.settings import kafka_config
    from slidr.settings_source import load_settings

    if recompute and keep_rules:
        raise Misconfigured("With --recompute rules fire again, so there are none to keep: leave out --keep-rules.")
    settings = load_settings(need=["kafka_bootstrap_servers"])
    now_ms = _now_ms()
    selection = Selection(tuple(slices or ()), tuple(advertisers or ()), model_version_was)
    to_ms = parse_time(end, now_ms) if end else None
    wish = Wish(parse_time(start, now_ms), to_ms, selection, model, keep_rules, allow_gaps, recompute)
    with progress_bars() as progress:
        sampling = progress.add_task("Sampling", total=None)
        made = make_plan(
            kafka_config(settings, "consumer"),
            settings.topic_prefix,
            releases_of(settings),
            wish,
            _new_id(now_ms),
            now_ms,
            show_time,
            lambda done, total: progress.update(sampling, completed=done, total=total),
            settings.archive_uri,
        )
    where = Plans(settings.replays_uri).save(made)
    if as_json:
        print_json(made)
    else:
        _show(made, where)


@app.command()
def run(
    replay_id: ReplayIdOf,
    local: Local = False,
    publish: Publish = False,
    only_changed: OnlyChanged = False,
    direction: DirectionOf = "both",
    clicks_per_s: ClicksPerS = None,
    again: Again = False,
    as_json: AsJson = False,
) -> None:
    """Run a plan, or go on with a run that was interrupted: the same command again.

    Agents do the work (`slidr replay-agent`), and this command shows how far they are: Ctrl-C ends the looking, not the
    run.

    Example: slidr replay run r20240602-031500-7f3a --publish --only-changed
    """
    from replay.begin import begin, job_of
    from replay.log import ReplayLog
    from replay.plans import Plans
    from slidr.replay_words import outcome_text
    from slidr.replay_work import run_to_its_end
    from slidr.replaying import releases_of, user
    from slidr.settings import kafka_config
    from slidr.settings_source import load_settings

    settings = load_settings(need=["kafka_bootstrap_servers"])
    job = job_of(
        Plans(settings.replays_uri).read(replay_id), publish=publish, only_changed=only_changed, direction=direction
    )
    if job.recompute is not None and local:
        from slidr.recomputing import check_recompute

        settings = load_settings(need=["kafka_bootstrap_servers", "entity_key"])
        check_recompute(settings, job)
    kafka = kafka_config(settings, "consumer")
    now_ms = _now_ms()
    with ReplayLog(kafka, settings.topic_prefix) as log:
        replay = begin(
            kafka, settings.topic_prefix, releases_of(settings), log, replay_id, job, now_ms, user(),
            clicks_per_s=clicks_per_s, again=again, shared=not local,
        )  # fmt: skip
        outcome = run_to_its_end(settings, replay, log, local=local)
    if as_json:
        print_json(outcome)
    else:
        typer.echo(outcome_text(outcome))


@app.command()
def status(replay_id: MaybeId = None, follow: Follow = False, as_json: AsJson = False) -> None:
    """Show runs: how far they are, at which rate, and when they will be done. Without ID all of them.

    With ID also its partitions, who works on each, and how far features counted again are the logged ones.

    Example: slidr replay status r20240602-031500-7f3a --follow
    """
    from replay.control import statuses
    from replay.log import ReplayLog
    from slidr.replay_status_table import partition_table, show_progress, status_table
    from slidr.replay_words import agreement_lines
    from slidr.settings import kafka_config
    from slidr.settings_source import load_settings

    settings = load_settings(need=["kafka_bootstrap_servers"])
    with ReplayLog(kafka_config(settings, "consumer"), settings.topic_prefix) as log:

        def found() -> "list[RunStatus]":
            runs = [run for run in statuses(log, _now_ms()) if replay_id in (None, run.replay_id)]
            if replay_id and not runs:
                raise Refused(f"Replay {replay_id!r} was never run. `slidr replay status` lists those that were.")
            return runs

        if follow:
            show_progress(found)
        if as_json:
            print_json({"runs": found()})
        elif not (runs := found()):
            typer.echo("No replay was ever run.")
        else:
            from rich.console import Console

            Console().print(status_table(runs))
            if replay_id:
                Console().print(partition_table(runs[-1]))
                for line in agreement_lines(runs[-1].agreement) if runs[-1].agreement else ():
                    typer.echo(line)


@app.command()
def cancel(replay_id: ReplayIdOf, as_json: AsJson = False) -> None:
    """Stop a run for good; returns when it has stopped, and says what it had written. That stays.

    Example: slidr replay cancel r20240602-031500-7f3a
    """
    from replay.control import cancel as cancel_run
    from replay.log import ReplayLog
    from slidr.replaying import user
    from slidr.settings import kafka_config
    from slidr.settings_source import load_settings

    settings = load_settings(need=["kafka_bootstrap_servers"])
    with ReplayLog(kafka_config(settings, "consumer"), settings.topic_prefix) as log:
        found = cancel_run(log, replay_id, user(), _now_ms)
    if as_json:
        print_json(found)
        return
    typer.echo(
        f"Replay {replay_id}, revision {found.revision}, is {found.state}: {found.done:,} of {found.clicks:,} clicks "
        f"were decided again, {found.written:,} decisions were {'published' if found.publish else 'written'}."
    )
    if found.publish and found.written:
        typer.echo("They stand. To undo them, plan a replay by the release before and publish it with --again.")


@app.command()
def rate(replay_id: ReplayIdOf, clicks_per_s: NewRate) -> None:
    """Change the rate limit of a run, within a second or two.

    Example: slidr replay rate r20240602-031500-7f3a 25000
    """
    from replay.control import change_rate
    from replay.log import ReplayLog
    from slidr.replaying import user
    from slidr.settings import kafka_config
    from slidr.settings_source import load_settings

    settings = load_settings(need=["kafka_bootstrap_servers"])
    with ReplayLog(kafka_config(settings, "consumer"), settings.topic_prefix) as log:
        replay = change_rate(log, replay_id, clicks_per_s, user(), _now_ms())
    typer.echo(f"Replay {replay_id}, revision {replay.revision}: from now on at most {clicks_per_s:,.0f} clicks/s.")


@app.command()
def report(replay_id: ReplayIdOf, as_json: AsJson = False) -> None:
    """Show click by click what a plan changes: verdicts, money, by slice, advertiser, campaign and hour. Writes a page.

    Decides the whole range again and publishes nothing; before a run, or after it, it says the same.

    Example: slidr replay report r20240602-031500-7f3a
    """
    from replay.plans import Plans
    from slidr.replay_report import make_report, report_tables
    from slidr.replay_words import agreement_lines
    from slidr.settings_source import load_settings

    settings = load_settings(need=["kafka_bootstrap_servers"])
    made = Plans(settings.replays_uri).read(replay_id)
    if made.job.recompute is not None:
        settings = load_settings(need=["kafka_bootstrap_servers", "entity_key"])
    with progress_bars() as progress:
        found = make_report(settings, made, _now_ms(), stepped(progress))
    if as_json:
        print_json(found)
        return
    from rich.console import Console

    console = Console()
    for table in report_tables(found):
        console.print(table)
    if found.agreement is not None:
        console.print("\n".join(agreement_lines(found.agreement)), soft_wrap=True)
    console.print(f"The page: {found.page}", soft_wrap=True)


def _now_ms() -> int:
    return round(time.time() * 1000)


def _new_id(now_ms: int) -> str:
    """r20240602-031500-7f3a: ids sort by the time that they were made at."""
    import secrets

    return f"r{show_time(now_ms)[:19].replace('-', '').replace(':', '').replace('T', '-')}-{secrets.token_hex(2)}"


def _show(made: "Plan", where: str) -> None:
    from rich.console import Console

    from slidr.replay_words import plan_table

    console = Console()
    console.print(plan_table(made))
    if made.corrected_before:
        console.print(
            f"Published over this range before: {', '.join(made.corrected_before)}. The estimate compares with the "
            "workers' verdicts, not with those corrections; publishing needs --again."
        )
    console.print(f"Saved as {where}", soft_wrap=True)
    console.print(
        f"Run it: slidr replay run {made.id} [--local] [--publish --only-changed]", soft_wrap=True, markup=False
    )
