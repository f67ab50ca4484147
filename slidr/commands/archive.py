"""`slidr archive`: what happened, kept as Parquet."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts.errors import Misconfigured, Refused
from slidr.commands.output import AsJson, print_json, progress_bars
from slidr.commands.signals import received_signals

if TYPE_CHECKING:
    from archive.reader import Coverage
    from streams.archiving import Progress

app = typer.Typer()

UntilCaughtUp = Annotated[
    bool, typer.Option("--until-caught-up", help="End when all that Kafka holds at the start is archived.")
]
Compact = Annotated[
    bool, typer.Option("--compact", help="Archive nothing: merge the files of every hour that is closed, and end.")
]
SkipExpired = Annotated[
    bool,
    typer.Option(
        "--skip-expired",
        help="Go on behind records that expired before they were archived, and record the gap. Without it a gap is "
        "refused.",
    ),
]
FlushRows = Annotated[int, typer.Option(min=1, help="Write when so many rows of a topic wait in memory.")]
FlushS = Annotated[float, typer.Option(min=0.001, help="Write when a row has waited for so many seconds.")]


@app.callback(invoke_without_command=True)
def archive(
    context: typer.Context,
    until_caught_up: UntilCaughtUp = False,
    compact: Compact = False,
    skip_expired: SkipExpired = False,
    flush_rows: FlushRows = 100_000,
    flush_s: FlushS = 60,
    as_json: AsJson = False,
) -> None:
    """Archive clicks, purchases, feature log and decisions to SLIDR_ARCHIVE_URI until SIGTERM or Ctrl-C.

    Every record is archived exactly once, whatever is killed: where to go on stands in the archive itself. Users, IPs
    and sessions are kept as hashes under SLIDR_ENTITY_KEY only; queries are not kept. Closed hours are merged into
    larger files beside it. Run one archiver per archive: a second one takes over, and the first one stops.

    Example: slidr archive --until-caught-up
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    if compact and (until_caught_up or skip_expired):
        raise Misconfigured("--compact archives nothing: leave --until-caught-up and --skip-expired out.")
    if compact:
        _compact(as_json)
    else:
        _archive(until_caught_up, skip_expired, flush_rows, flush_s, as_json)


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show what is archived: rows, event times, offsets by partition, skipped records, gaps.

    Example: slidr archive status --json
    """
    from slidr.archiving import archive_coverage
    from slidr.settings_source import load_settings

    settings = load_settings()
    topics = archive_coverage(settings)
    if as_json:
        print_json({"archive_uri": settings.archive_uri, "topics": topics})
    else:
        typer.echo(f"Archive {settings.archive_uri}")
        _print_topics(topics)
        _print_troubles(topics)


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Read every byte of the archive and compare it with what was committed. Exit code 1 if a file is not right.

    Example: slidr archive verify
    """
    from slidr.archiving import verify_archive
    from slidr.settings_source import load_settings

    settings = load_settings()
    with _bars() as bars:
        problems = verify_archive(settings, bars.show)
    if as_json:
        print_json({"archive_uri": settings.archive_uri, "problems": problems})
    if problems:
        raise Refused(f"{len(problems)} file(s) are not right:" + "".join(f"\n  - {one}" for one in problems))
    if not as_json:
        typer.echo(f"Every file of {settings.archive_uri} is what was committed.")


def _refuse_options(context: typer.Context) -> None:
    """Options before a subcommand would do nothing."""
    sources = filter(None, map(context.get_parameter_source, context.params))
    if any(source.name == "COMMANDLINE" for source in sources):
        raise Misconfigured(
            f"Options of `slidr archive` do nothing before `{context.invoked_subcommand}`: leave them out, or write "
            "them behind it."
        )


def _archive(until_caught_up: bool, skip_expired: bool, flush_rows: int, flush_s: float, as_json: bool) -> None:
    from slidr.archiving import run_archiver
    from slidr.settings_source import load_settings
    from streams.archiving import FlushRule

    settings = load_settings(need=["kafka_bootstrap_servers", "entity_key"])
    rule = FlushRule(rows=flush_rows, age_ms=round(1000 * flush_s))
    with received_signals() as received, _bars() if until_caught_up else _lines() as shown:
        done = run_archiver(
            settings,
            rule,
            until_caught_up=until_caught_up,
            skip_expired=skip_expired,
            stopped=lambda: bool(received),
            on_progress=shown.on_progress,
        )
    if as_json:
        print_json(done._asdict())
    else:
        typer.echo(f"{done.rows:,} rows archived in {done.files:,} files; {done.skipped:,} records could not be read.")


def _compact(as_json: bool) -> None:
    from slidr.archiving import compact_archive
    from slidr.settings_source import load_settings

    settings = load_settings()
    with _bars() as bars:
        merged = compact_archive(settings, bars.show)
    if as_json:
        print_json({"merged_files": merged})
    else:
        typer.echo(f"{merged:,} files of closed hours were merged into larger ones.")


class _Bars:
    """A bar for each topic, on the terminal."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._bars: dict[str, Any] = {}

    def show(self, topic: str, done: int, total: int) -> None:
        """So much of all is done."""
        if topic not in self._bars:
            self._bars[topic] = self._progress.add_task(topic)
        self._progress.update(self._bars[topic], completed=done, total=total)

    def on_progress(self, progress: "Progress") -> None:
        """So many records are left of those that there were at first."""
        if progress.topic not in self._bars:
            self._bars[progress.topic] = self._progress.add_task(progress.topic, total=progress.left)
        task = self._bars[progress.topic]
        self._progress.update(task, completed=self._progress.tasks[task].total - progress.left)


class _Lines:
    """A line of the log for each flush."""

    def on_progress(self, progress: "Progress") -> None:
        """What was written, and how much of what there was at the start is still to be read."""
        import structlog

        if progress.flushed:
            structlog.get_logger().info(
                "archived", topic=progress.topic, left=progress.left, **progress.flushed._asdict()
            )


@contextmanager
def _lines() -> Iterator[_Lines]:
    from slidr.logs import log_to_stderr

    log_to_stderr()
    yield _Lines()


@contextmanager
def _bars() -> Iterator[_Bars]:
    with progress_bars(width=12, per_s=2) as progress:
        yield _Bars(progress)


def _print_topics(topics: list["Coverage"]) -> None:
    typer.echo(f"{'topic':<12} {'rows':>14} {'files':>7} {'MB':>9}  {'first event':<24}  {'last event':<24}")
    for topic in topics:
        first, last = (_time(at_ms) for at_ms in (topic.first_event_ms, topic.last_event_ms))
        typer.echo(
            f"{topic.topic:<12} {topic.rows:>14,} {topic.files:>7,} {topic.bytes / 1e6:>9.1f}  {first:<24}  {last:<24}"
        )
    typer.echo("")
    typer.echo(f"{'partition':<16} {'offsets':>27} {'records':>12} {'skipped':>9} {'expired':>9} {'no record':>9}")
    for topic in topics:
        for part in topic.partitions:
            name, offsets = f"{topic.topic}[{part.partition}]", f"{part.first_offset:,} to {part.end_offset - 1:,}"
            typer.echo(
                f"{name:<16} {offsets:>27} {part.records:>12,} {part.skipped:>9,} {part.expired:>9,} "
                f"{part.without_record:>9,}"
            )


def _print_troubles(topics: list["Coverage"]) -> None:
    for topic in topics:
        for gap in topic.gaps:
            typer.echo(
                f"Gap: offsets {gap.first:,} to {gap.end - 1:,} of {topic.topic}[{gap.partition}] expired before they "
                "were archived."
            )
        if len(topic.key_ids) > 1:
            typer.echo(
                f"{topic.topic} was hashed with several keys ({', '.join(topic.key_ids)}): hashes of different keys "
                "cannot be compared. The key's id stands in the metadata of each file."
            )


def _time(at_ms: int | None) -> str:
    from slidr.times import show_time

    return "-" if at_ms is None else show_time(at_ms)
