"""`slidr simulate`: simulated traffic as it happens."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slidr.commands.output import AsJson, print_json

if TYPE_CHECKING:
    from rich.progress import Progress

    from traffic.live import LiveSummary

ClicksPerS = Annotated[float, typer.Option(min=0.001, help="Mean rate of clicks.")]
DurationS = Annotated[float, typer.Option(min=0.001, help="For how long, in seconds.")]
Seed = Annotated[int, typer.Option(min=0, help="Another seed, other traffic.")]
RobotShare = Annotated[float, typer.Option(min=0, max=1, help="Share of the clicks that robots make.")]
PurchaseDelayS = Annotated[float, typer.Option(min=0.001, help="Median time from a click to its purchase.")]
HistoryDays = Annotated[
    float, typer.Option(min=0, help="Days before the first click from which purchases of the same accounts are known.")
]
Attacks = Annotated[
    list[str] | None,
    typer.Option(
        "--attack",
        help="Robots on top: kind@start+duration:clicks_per_s, such as burst@10m+5m:50. May be given again and again.",
    ),
]
TruthFile = Annotated[
    Path | None,
    typer.Option("--truth", help="File for the truth: one JSON object a line with click_id, kind and robot."),
]


def simulate(
    clicks_per_s: ClicksPerS = 100,
    duration_s: DurationS = 60,
    seed: Seed = 1,
    robot_share: RobotShare = 0.2,
    purchase_delay_s: PurchaseDelayS = 600,
    history_days: HistoryDays = 30,
    attack: Attacks = None,
    truth: TruthFile = None,
    as_json: AsJson = False,
) -> None:
    """Send clicks and purchases of simulated people and robots to Kafka, each at its time; Ctrl-C ends it earlier.

    Send times are fixed beforehand (open loop): a late send is made at once with its own time, and lateness is told.
    Which clicks are robots' stands in the file of --truth and nowhere else.

    Example: slidr simulate --clicks-per-s 1157 --duration-s 300 --truth truth.jsonl
    """
    from slidr.settings import kafka_config
    from slidr.settings_source import load_settings
    from traffic.attacks import parse_attack
    from traffic.live import send_live, soon
    from traffic.publish import Publisher
    from traffic.scenario import Scenario

    settings = load_settings(need=["kafka_bootstrap_servers"])
    start_ms = soon(clicks_per_s, duration_s, history_days)
    attacks = [parse_attack(text, start_ms) for text in attack or ()]
    scenario = Scenario(
        seed, start_ms, round(1000 * duration_s), clicks_per_s, robot_share, purchase_delay_s, history_days, attacks
    )
    publisher = Publisher(kafka_config(settings, "producer"), settings.topic_prefix, linger_ms=1)
    with _signals() as received, _progress() as progress:
        sending = progress.add_task("Clicks", total=round(clicks_per_s * duration_s))
        summary = send_live(
            scenario,
            publisher,
            truth,
            stopped=lambda: bool(received),
            on_sent=lambda clicks: progress.update(sending, completed=clicks),
        )
    if as_json:
        print_json(summary)
    else:
        _print(summary)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Signals received instead of what they would do: what was sent is still confirmed and counted."""
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda number, _: received.append(number))
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _progress() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Seldom, since drawing takes time from sending.
    return Progress(*columns, console=Console(stderr=True), refresh_per_second=2)


def _print(summary: "LiveSummary") -> None:
    typer.echo(
        f"{summary.clicks:,} clicks, {summary.robot_clicks:,} of them robots', and {summary.purchases:,} purchases in "
        f"{summary.seconds:.1f} s are in Kafka. Sends were late by {summary.late_ms_p50} ms (median), "
        f"{summary.late_ms_p99} ms (p99), {summary.late_ms_worst} ms (worst)."
    )
