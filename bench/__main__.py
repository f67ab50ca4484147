"""`python -m bench`: one command a benchmark; `make bench` runs those that belong to every change."""

import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import Progress

from bench.backlog import Backlog, measure_backlog
from bench.deployment import PARTITIONS, Deployment
from bench.latency import Load, measure_latency
from bench.progress import progress
from bench.results import result, save
from contracts.errors import SlidrError

app = typer.Typer(help=__doc__, no_args_is_help=False, add_completion=False)


class Priority(StrEnum):
    """Scheduling of worker and Redis: as it comes, nice -10, or round-robin real time."""

    NORMAL = "normal"
    NICE = "nice"
    REALTIME = "realtime"


Seed = Annotated[int, typer.Option(help="Of the simulated traffic.")]
Partitions = Annotated[int, typer.Option(min=1, help="Partitions of clicks.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Save = Annotated[bool, typer.Option("--save", help="Keep the result in bench/results and in docs/benchmarks.md.")]
Measure = Callable[[Deployment, Progress], dict[str, Any]]


@app.command()
def backlog(
    clicks: Annotated[int, typer.Option(min=10_000, help="Clicks to decide.")] = 1_000_000,
    usual_clicks: Annotated[int, typer.Option(min=0, help="Clicks for the usual Faust way; 0 leaves it out.")] = 10_000,
    partitions: Partitions = PARTITIONS,
    seed: Seed = 1,
    as_json: AsJson = False,
    keep: Save = False,
) -> None:
    """One worker reads a backlog, after a loop that only copies records, before the usual Faust way.

    Example: make bench ARGS="backlog --clicks 300000"
    """
    _run(
        "backlog",
        partitions,
        lambda at, shown: measure_backlog(at, Backlog(clicks, usual_clicks, seed), shown),
        as_json,
        keep,
    )


@app.command()
def latency(
    rate: Annotated[list[float] | None, typer.Option(help="Clicks per second; may be repeated.")] = None,
    duration_s: Annotated[float, typer.Option(min=5, help="Seconds measured, after a warm-up.")] = 60.0,
    priority: Annotated[list[Priority] | None, typer.Option(help="Of worker and Redis; may be repeated.")] = None,
    partitions: Partitions = PARTITIONS,
    seed: Seed = 1,
    as_json: AsJson = False,
    keep: Save = False,
) -> None:
    """Open-loop latency of one worker and of the bare loop, at 1,157 and 10,000 clicks/s unless told otherwise.

    Example: make bench ARGS="latency --rate 1157 --duration-s 864 --priority normal --priority nice"
    """
    loads = [
        Load(per_s, duration_s, level, seed)
        for level in priority or [Priority.NORMAL]
        for per_s in rate or [1_157.0, 10_000.0]
    ]

    def measure(at: Deployment, shown: Progress) -> dict[str, Any]:
        return {"runs": [measure_latency(at, load, shown) for load in loads]}

    _run("latency", partitions, measure, as_json, keep)


def _run(benchmark: str, partitions: int, measure: Measure, as_json: bool, keep: bool) -> None:
    try:
        with progress() as shown, Deployment(partitions) as place:
            found = result(benchmark, measure(place, shown))
    except SlidrError as error:
        typer.echo(str(error), err=True)
        sys.exit(error.exit_code)
    if keep:
        typer.echo(f"Kept in {save(found)}.", err=True)
    typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=0 if as_json else 2).decode())


app()
