"""`slidr simulate`: simulated traffic, as it happens or into Parquet files."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.errors import Misconfigured
from slidr.commands.output import AsJson, print_json, progress_bars
from slidr.commands.signals import received_signals

if TYPE_CHECKING:
    from slidr.history import HistorySummary
    from traffic.live import LiveSummary
    from traffic.parquet import ParquetSummary
    from traffic.scenario import Scenario

# A Monday: into files the same command gives the same bytes on any day.
DEFAULT_START = "2024-01-01"

ClicksPerS = Annotated[float, typer.Option(min=0.001, help="Mean rate of clicks, attacks and sales left out.")]
DurationS = Annotated[float, typer.Option(min=0.001, help="For how long, in seconds; a week is 604800.")]
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
Sales = Annotated[
    list[str] | None,
    typer.Option(
        "--sale",
        help="People click more often: start+duration:factor, such as 5d+1d:2. May be given again and again.",
    ),
]
ShapeFile = Annotated[
    Path | None,
    typer.Option(
        "--shape",
        help="CSV file of requests per minute, in its last column: how busy people are, stretched over the duration.",
    ),
]
TruthFile = Annotated[
    Path | None,
    typer.Option("--truth", help="File for the truth: one JSON object a line with click_id, kind and robot."),
]
ParquetFolder = Annotated[
    Path | None,
    typer.Option("--parquet", help="Write Parquet files to this new folder instead: clicks, purchases and truth."),
]
FeaturesFolder = Annotated[
    Path | None,
    typer.Option(
        "--features",
        help="Write what the archive would keep to this new folder instead: feature-log, purchases and truth.",
    ),
]
Start = Annotated[
    str | None,
    typer.Option(
        help="With --parquet or --features: when clicks start, such as 2024-06-01T12:00 (UTC). "
        f"[default: {DEFAULT_START}]"
    ),
]


def simulate(
    clicks_per_s: ClicksPerS = 100,
    duration_s: DurationS = 60,
    seed: Seed = 1,
    robot_share: RobotShare = 0.2,
    purchase_delay_s: PurchaseDelayS = 600,
    history_days: HistoryDays = 30,
    attack: Attacks = None,
    shape: ShapeFile = None,
    sale: Sales = None,
    truth: TruthFile = None,
    parquet: ParquetFolder = None,
    features: FeaturesFolder = None,
    start: Start = None,
    as_json: AsJson = False,
) -> None:
    """Send clicks and purchases of simulated people and robots to Kafka, each at its time; Ctrl-C ends it earlier.

    Send times are fixed beforehand (open loop): a late send is made at once with its own time, and lateness is told.
    Purchases from before the first click are sent at once. Which clicks are robots' stands in the file of --truth, or
    in the folder of --parquet or --features under truth/, and nowhere else. With --features the clicks are counted and
    decided as a worker without a model would: that is history for `slidr retrain --rows`.

    Example: slidr simulate --clicks-per-s 1157 --duration-s 900 --attack burst@10m+2m:200 --truth truth.jsonl

    Example: slidr simulate --clicks-per-s 8.3 --duration-s 604800 --parquet week

    Example: slidr simulate --clicks-per-s 1.7 --duration-s 604800 --features history
    """
    from traffic.attacks import parse_attack
    from traffic.sales import parse_sale
    from traffic.scenario import Scenario
    from traffic.shape import load_shape

    start_ms = _start_ms(start, parquet, features, truth)
    scenario = Scenario(
        seed=seed,
        start_ms=start_ms,
        duration_ms=round(1000 * duration_s),
        clicks_per_s=clicks_per_s,
        robot_share=robot_share,
        purchase_delay_s=purchase_delay_s,
        history_days=history_days,
        attacks=[parse_attack(text, start_ms) for text in attack or ()],
        shape=load_shape(shape) if shape else (),
        sales=[parse_sale(text, start_ms) for text in sale or ()],
    )
    scenario.check()
    if parquet:
        written = _to_parquet(scenario, parquet)
        print_json(written) if as_json else typer.echo(_files_told(written))
    elif features:
        counted = _to_history(scenario, features)
        print_json(counted._asdict()) if as_json else typer.echo(_history_told(counted))
    else:
        sent = _to_kafka(scenario, truth)
        print_json(sent) if as_json else typer.echo(_sends_told(sent))


def _start_ms(start: str | None, parquet: Path | None, features: Path | None, truth: Path | None) -> int:
    from slidr.times import parse_time

    if parquet and features:
        raise Misconfigured("--parquet writes clicks as they come and --features as they are logged: choose one.")
    folder, option = (parquet, "--parquet") if parquet else (features, "--features")
    if folder and truth:
        raise Misconfigured(f"With {option} the truth is written to {folder}/truth; leave --truth out.")
    if start and not folder:
        raise Misconfigured("Live traffic starts now: --start is for --parquet and --features.")
    return parse_time(start or DEFAULT_START, time.time_ns() // 1_000_000)


def _to_history(scenario: "Scenario", folder: Path) -> "HistorySummary":
    from rules.ruleset import RuleSet
    from slidr.history import write_history

    with progress_bars(per_s=2) as progress:
        writing = progress.add_task("Clicks", total=scenario.expected_clicks)
        return write_history(
            scenario, RuleSet.default(), folder, lambda clicks: progress.update(writing, completed=clicks)
        )


def _to_parquet(scenario: "Scenario", folder: Path) -> "ParquetSummary":
    from traffic.parquet import write_parquet

    with progress_bars(per_s=2) as progress:
        writing = progress.add_task("Clicks", total=scenario.expected_clicks)
        return write_parquet(scenario, folder, lambda clicks: progress.update(writing, completed=clicks))


def _to_kafka(scenario: "Scenario", truth: Path | None) -> "LiveSummary":
    from slidr.settings import kafka_config
    from slidr.settings_source import load_settings
    from traffic.live import send_live
    from traffic.publish import Publisher

    settings = load_settings(need=["kafka_bootstrap_servers"])
    publisher = Publisher(kafka_config(settings, "producer"), settings.topic_prefix, linger_ms=1)
    with received_signals() as received, progress_bars(per_s=2) as progress:
        sending = progress.add_task("Clicks", total=scenario.expected_clicks)
        return send_live(
            scenario,
            publisher,
            truth,
            stopped=lambda: bool(received),
            on_sent=lambda clicks: progress.update(sending, completed=clicks),
        )


def _sends_told(sent: "LiveSummary") -> str:
    return (
        f"{sent.clicks:,} clicks, {sent.robot_clicks:,} of them robots', and {sent.purchases:,} purchases in "
        f"{sent.seconds:.1f} s are in Kafka. Sends were late by {sent.late_ms_p50} ms (median), "
        f"{sent.late_ms_p99} ms (p99), {sent.late_ms_worst} ms (worst)."
    )


def _files_told(written: "ParquetSummary") -> str:
    return (
        f"{written.clicks:,} clicks, {written.robot_clicks:,} of them robots', and {written.purchases:,} purchases are "
        f"in {written.folder}, written in {written.seconds:.1f} s. Which clicks are robots' stands in its folder truth."
    )


def _history_told(written: "HistorySummary") -> str:
    folder = written.folder
    return (
        f"{written.clicks:,} clicks with their features, {written.robot_clicks:,} of them robots', and "
        f"{written.purchases:,} purchases are in {folder}. Train on them: slidr retrain candidate --maturity-h 2 "
        f"--rows {folder}/feature-log --purchases {folder}/purchases --truth {folder}/truth"
    )
