"""`slidr audit`: why a click was decided as it was."""

import time
from typing import Annotated

import typer

from contracts.errors import Refused
from slidr.commands.output import AsJson, print_json
from slidr.times import TIME_HELP, parse_time, show_time

ClickId = Annotated[str, typer.Argument(help="The click's click_id.", show_default=False)]
From = Annotated[str, typer.Option("--from", help=f"Search decisions written since: {TIME_HELP}.")]
To = Annotated[str | None, typer.Option("--to", help="Search decisions written before; now, without it.")]


def audit(click_id: ClickId, start: From = "24h", end: To = None, as_json: AsJson = False) -> None:
    """Show every decision on a click, which of them counts and why, and what the model saw.

    Searches `decisions` by the time they were written, then `feature-log` and `model-releases`. Some 100,000 records a
    second: narrow the time for a click of long ago. Exit code 1 if the click is not found.

    Example: slidr audit c-91 --from 2024-06-01T12:00 --to 2024-06-01T13:00
    """
    from rich.console import Console
    from rich.progress import Progress

    from slidr.audit import Period, find_trail
    from slidr.explanation import explain
    from slidr.settings import kafka_config
    from slidr.settings_source import load_settings

    settings = load_settings(need=["kafka_bootstrap_servers"])
    now_ms = round(time.time() * 1000)
    period = Period(parse_time(start, now_ms), parse_time(end, now_ms) if end else None)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        searching = progress.add_task("Searching decisions")
        trail = find_trail(
            kafka_config(settings, "consumer"),
            settings.topic_prefix,
            click_id,
            period,
            lambda done, total: progress.update(searching, completed=done, total=total),
        )
    if not trail.records:
        until = show_time(period.to_ms) if period.to_ms else "now"
        raise Refused(
            f"No decision on click {click_id} was written between {show_time(period.from_ms)} and {until}. Search "
            "further with --from and --to; a click that is not decided may wait in clicks or stand in dead-letters."
        )
    if as_json:
        print_json(trail)
        return
    for line in explain(trail):
        typer.echo(line)
