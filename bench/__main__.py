"""Benchmarks on real servers, of the shipped worker: without a command all of them, one after another."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import Progress

from bench import check
from bench.backlog import Backlog, measure_backlog
from bench.causes import measure_causes
from bench.compare_traffic import measures, read_talkingdata, simulated_like
from bench.deployment import PARTITIONS, Deployment
from bench.latency import WARM_UP_S, Load, measure_latency
from bench.plot_traffic import plot
from bench.progress import progress, step
from bench.recomputing import Recomputed, measure_recompute
from bench.replaying import Replayed, measure_replay
from bench.results import Result, load, result, save
from bench.scorer import measure_scorer
from bench.stages import measure_stages
from bench.store import measure_store
from bench.swaps import measure_swaps
from bench.table import render, write_document
from bench.usual_ways import check_others
from contracts.errors import SlidrError
from streams.scoring import CHUNK_RECORDS

app = typer.Typer(help=__doc__, no_args_is_help=False, add_completion=False)
RATES_PER_S = (1_157.0, 10_000.0)
SWAP_RATES_PER_S = (1_157.0, 5_000.0)
LIVE_CLICKS_PER_S = 5_000.0


class Priority(StrEnum):
    """Scheduling of worker and Redis: as it comes, nice -10, or round-robin real time."""

    NORMAL = "normal"
    NICE = "nice"
    REALTIME = "realtime"


Seed = Annotated[int, typer.Option(help="Of the simulated traffic.")]
Partitions = Annotated[int, typer.Option(min=1, help="Partitions of clicks.")]
LongRunning = Annotated[
    bool, typer.Option("--long-running", help="Let Kafka's JVM optimise, as in a deployment; warm up for a minute.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a benchmark.")]
Save = Annotated[bool, typer.Option("--save", help="Keep the results in bench/results and in docs/benchmarks.md.")]
Measure = Callable[[Deployment, Progress], Any]


@app.callback(invoke_without_command=True)
def everything(
    context: typer.Context,
    check_limits: Annotated[
        bool, typer.Option("--check", help="Two minutes: compare what no machine changes with bench/limits.json.")
    ] = False,
    as_json: AsJson = False,
    keep: Save = False,
) -> None:
    """Run all benchmarks, some ten minutes; or the check."""
    if context.invoked_subcommand is not None:
        return
    if check_limits:
        sys.exit(check.main(as_json))
    measures: dict[str, Measure] = {
        "scorer": lambda at, shown: measure_scorer(at, 1),
        "store": _store(100_000, 1),
        "stages": lambda at, shown: measure_stages(at, 100_000, CHUNK_RECORDS, 1, shown),
        "latency": _latency([Load(per_s, 60.0, Priority.NORMAL, 1, 0.5) for per_s in RATES_PER_S]),
        "backlog": lambda at, shown: measure_backlog(at, Backlog(1_000_000, 10_000, 1), shown),
    }
    _run(measures, PARTITIONS, as_json, keep)


@app.command()
def backlog(
    clicks: Annotated[int, typer.Option(min=10_000, help="Clicks to decide.")] = 1_000_000,
    usual_clicks: Annotated[int, typer.Option(min=0, help="Clicks for each usual way; 0 leaves them out.")] = 10_000,
    others: Annotated[
        bool, typer.Option("--others", help="Also Quix Streams and Bytewax; `make others` installs them.")
    ] = False,
    partitions: Partitions = PARTITIONS,
    seed: Seed = 1,
    as_json: AsJson = False,
    keep: Save = False,
) -> None:
    """One worker reads a backlog, after a loop that only copies records, before the same job done the usual ways.

    Example: make bench ARGS="backlog --clicks 300000 --others"
    """
    amount = Backlog(clicks, usual_clicks, seed, others)
    if others:
        with _told():
            check_others()
    _run({"backlog": lambda at, shown: measure_backlog(at, amount, shown)}, partitions, as_json, keep)


@app.command()
def latency(
    rate: Annotated[list[float] | None, typer.Option(help="Clicks per second; may be repeated.")] = None,
    duration_s: Annotated[float, typer.Option(min=5, help="Seconds measured, after a warm-up.")] = 60.0,
    priority: Annotated[list[Priority] | None, typer.Option(help="Of worker and Redis; may be repeated.")] = None,
    linger_ms: Annotated[float, typer.Option(min=0, help="The sender's.")] = 0.5,
    warm_up_s: Annotated[float, typer.Option(min=1, help="Not counted.")] = WARM_UP_S,
    long_running: LongRunning = False,
    partitions: Partitions = PARTITIONS,
    seed: Seed = 1,
    as_json: AsJson = False,
    keep: Save = False,
) -> None:
    """Open-loop latency of one worker and of the bare loop, at 1,157 and 10,000 clicks/s unless told otherwise.

    Example: make bench ARGS="latency --rate 1157 --duration-s 864 --priority nice --long-running --warm-up-s 60"
    """
    loads = [
        Load(per_s, duration_s, level, seed, linger_ms, warm_up_s)
        for level in priority or [Priority.NORMAL]
        for per_s in rate or RATES_PER_S
    ]
    name = "latency-long" if long_running else "latency"
    _run({name: _latency(loads)}, partitions, as_json, keep, long_running)


@app.command()
def stages(
    clicks: int = 100_000,
    chunk_records: Annotated[int, typer.Option(min=1, help="Records a chunk; live they are few.")] = CHUNK_RECORDS,
    seed: Seed = 1,
    as_json: AsJson = False,
    keep: Save = False,
) -> None:
    """CPU per click by stage, beside the whole worker's.

    Example: make bench ARGS="stages --chunk-records 5", as at 10,000 clicks/s
    """
    measures: dict[str, Measure] = {"stages": lambda at, shown: measure_stages(at, clicks, chunk_records, seed, shown)}
    _run(measures, PARTITIONS, as_json, keep)


@app.command()
def store(clicks: int = 100_000, seed: Seed = 1, as_json: AsJson = False, keep: Save = False) -> None:
    """The feature store alone, by the size of a call."""
    _run({"store": _store(clicks, seed)}, PARTITIONS, as_json, keep)


@app.command()
def scorer(seed: Seed = 1, as_json: AsJson = False, keep: Save = False) -> None:
    """The scorer alone, by the rows of a run."""
    _run({"scorer": lambda at, shown: measure_scorer(at, seed)}, PARTITIONS, as_json, keep)


@app.command()
def causes(
    rate: Annotated[float, typer.Option(help="Clicks per second.")] = RATES_PER_S[0],
    duration_s: Annotated[float, typer.Option(min=5, help="Seconds a turn, after a warm-up.")] = 40.0,
    rounds: Annotated[int, typer.Option(min=1, help="How often all take their turns.")] = 2,
    seed: Seed = 1,
    as_json: AsJson = False,
    keep: Save = False,
) -> None:
    """What makes the tail of the latency: collections, model, Redis, the scheduler, Kafka, each taken away in turns.

    Example: make bench ARGS="causes --rounds 3"
    """
    measures: dict[str, Measure] = {
        "causes": lambda at, shown: measure_causes(at, rate, duration_s, rounds, seed, shown)
    }
    _run(measures, PARTITIONS, as_json, keep)


@app.command()
def swaps(
    rate: Annotated[list[float] | None, typer.Option(help="Clicks per second; may be repeated.")] = None,
    duration_s: Annotated[float, typer.Option(min=20, help="Seconds measured, after a warm-up.")] = 60.0,
    priority: Annotated[Priority, typer.Option(help="Of workers and Redis.")] = Priority.NORMAL,
    warm_up_s: Annotated[float, typer.Option(min=1, help="Not counted.")] = WARM_UP_S,
    long_running: LongRunning = False,
    seed: Seed = 1,
    as_json: AsJson = False,
    keep: Save = False,
) -> None:
    """Releases switched while two workers run, at 1,157 and 5,000 clicks/s: seconds until all have acted, latency.

    Example: make bench ARGS="swaps --rate 1157"
    """

    def measure(at: Deployment, shown: Progress) -> Any:
        loads = [Load(per_s, duration_s, priority, seed, 0.5, warm_up_s) for per_s in rate or SWAP_RATES_PER_S]
        return {"runs": [measure_swaps(at, load, shown) for load in loads]}

    _run({"swaps": measure}, PARTITIONS, as_json, keep, long_running)


@app.command()
def replay(
    clicks: Annotated[int, typer.Option(min=10_000, help="Clicks to decide, and to replay.")] = 1_000_000,
    live_s: Annotated[float, typer.Option(min=0, help="Seconds of live clicks beside a replay; 0 for none.")] = 60.0,
    rate: Annotated[float, typer.Option(help="Live clicks per second.")] = RATES_PER_S[0],
    priority: Annotated[Priority, typer.Option(help="Of worker and Redis.")] = Priority.NORMAL,
    long_running: LongRunning = False,
    seed: Seed = 1,
    as_json: AsJson = False,
    keep: Save = False,
) -> None:
    """A replay by the release that decided: its rate, whether it differs, and live latency while one runs.

    Example: make bench ARGS="replay --clicks 300000 --live-s 0"
    """
    amount = Replayed(clicks, seed, Load(rate, live_s, priority, seed, 0.5) if live_s else None)
    measures: dict[str, Measure] = {"replay": lambda at, shown: measure_replay(at, amount, shown)}
    _run(measures, PARTITIONS, as_json, keep, long_running)


@app.command()
def recompute(
    clicks: Annotated[int, typer.Option(min=10_000, help="Clicks to decide, and to count again.")] = 1_000_000,
    rate: Annotated[
        float, typer.Option(min=0, help="Clicks per second while the worker runs; 0 for a backlog before it starts.")
    ] = LIVE_CLICKS_PER_S,
    partitions: Partitions = PARTITIONS,
    seed: Seed = 1,
    as_json: AsJson = False,
    keep: Save = False,
) -> None:
    """Features counted again from clicks, twice: the rate, whether both are the same, agreement with the live ones.

    Example: make bench ARGS="recompute --clicks 150000"
    """
    amount = Recomputed(clicks, rate or None, seed)
    _run({"recompute": lambda at, shown: measure_recompute(at, amount, shown)}, partitions, as_json, keep)


@app.command()
def table() -> None:
    """Write the tables of docs/benchmarks.md anew from bench/results."""
    write_document(load())


def _store(clicks: int, seed: int) -> Measure:
    def measure(at: Deployment, shown: Progress) -> Any:
        with step(shown, "feature store alone", clicks * 200e-6):
            return measure_store(at, clicks, seed)

    return measure


def _latency(loads: list[Load]) -> Measure:
    return lambda at, shown: {"runs": [measure_latency(at, load, shown) for load in loads]}


def _run(
    measures: Mapping[str, Measure], partitions: int, as_json: bool, keep: bool, long_running: bool = False
) -> None:
    with _told(), progress() as shown, Deployment(partitions, long_running=long_running) as place:
        found = [result(name, measure(place, shown)) for name, measure in measures.items()]
    for each in found:
        _show(each, as_json, keep)
    if keep:
        write_document(load())


@contextmanager
def _told() -> Iterator[None]:
    """End with an error's message and exit code instead of its traceback."""
    try:
        yield
    except SlidrError as error:
        typer.echo(str(error), err=True)
        sys.exit(error.exit_code)


def _show(found: Result, as_json: bool, keep: bool) -> None:
    if keep:
        typer.echo(f"Kept in {save(found)}.", err=True)
    typer.echo(msgspec.json.encode(found).decode() if as_json else render(found))


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


@app.command()
def unseen_weeks(
    seeds: Annotated[int, typer.Option(min=1, help="How many, from 1 on.")] = 5,
    clicks: Annotated[int, typer.Option(min=10_000, help="Clicks of a week.")] = 300_000,
    robot_share: Annotated[float, typer.Option(min=0, max=1, help="Share of them that robots make.")] = 0.2,
    fpr_budget: Annotated[float, typer.Option(min=0, max=1, help="Of purchasing clicks.")] = 0.05,
    baselines: Annotated[bool, typer.Option(help="Train what the network has to beat, too.")] = True,
    as_json: AsJson = False,
) -> None:
    """What a candidate holds in a week that it has not seen: budget, slices, baselines, weights. Minutes a seed.

    Example: make bench ARGS="unseen-weeks --seeds 5"
    """
    from bench.unseen_weeks import measure_unseen_week, table
    from model.baselines import NAMES

    weeks = []
    with progress() as shown:
        bar = shown.add_task("seeds", total=seeds)
        for seed in range(1, seeds + 1):
            told = lambda what, seed=seed: shown.update(bar, description=f"seed {seed}: {what}")  # noqa: E731
            weeks.append(measure_unseen_week(seed, clicks, robot_share, fpr_budget, NAMES if baselines else (), told))
            shown.update(bar, advance=1)
    typer.echo(msgspec.json.encode(weeks).decode() if as_json else table(weeks))


app()
