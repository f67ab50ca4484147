"""`python -m bench`: one command a benchmark; `make bench` runs those that belong to every change."""

import json
from pathlib import Path
from typing import Annotated

import typer

from bench.backlog import measure_backlog
from bench.compare_traffic import measures, read_talkingdata, simulated_like
from bench.plot_traffic import plot

app = typer.Typer(help=__doc__, no_args_is_help=False, add_completion=False)


@app.callback(invoke_without_command=True)
def every_change(context: typer.Context) -> None:
    """Run what belongs to every change: the backlog."""
    if context.invoked_subcommand is None:
        backlog()


@app.command()
def backlog(
    clicks: Annotated[int, typer.Option(min=10_000, help="Clicks to decide.")] = 300_000,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of clicks.")] = 4,
    seed: Annotated[int, typer.Option(help="Of the simulated traffic.")] = 1,
) -> None:
    """One worker reads a backlog, with its Kafka and Redis on this machine, after a loop that only copies records.

    Example: make bench ARGS="backlog --clicks 1000000"
    """
    typer.echo(json.dumps(measure_backlog(clicks, partitions, seed), indent=2))


@app.command()
def compare_traffic(
    real: Annotated[Path, typer.Option(help="TalkingData's clicks, as CSV.", exists=True, dir_okay=False)],
    picture: Annotated[Path, typer.Option(help="Where the comparison is drawn.")] = Path("docs/simulator.svg"),
    seed: Annotated[int, typer.Option(help="Of the simulated traffic.")] = 1,
) -> None:
    """Simulated clicks beside as many real ones: a picture, and what is compared as JSON.

    Example: make bench ARGS="compare-traffic --real train_sample.csv"
    """
    sample = read_talkingdata(real)
    samples = {"real": sample, **simulated_like(sample, seed)}
    plot(samples, picture)
    typer.echo(json.dumps({name: measures(sample) for name, sample in samples.items()}, indent=2))


app()
