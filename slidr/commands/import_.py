"""`slidr import`: clicks and purchases of a file into Kafka."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.errors import Misconfigured, Refused
from slidr.commands.output import AsJson, print_json

if TYPE_CHECKING:
    from rich.progress import Progress

    from traffic.mapping import Mapping

app = typer.Typer(help="Brings clicks and purchases of a file into Kafka.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="The file to import.")]
Map = Annotated[Path, typer.Option("--map", help="The mapping, in TOML: which column becomes which field.")]
Speed = Annotated[
    str,
    typer.Option(help="max: as fast as possible; 1: as it happened; 60: an hour in a minute."),
]
MaxBadRows = Annotated[int, typer.Option(min=0, help="Stop, with exit code 1, once more rows than this are bad.")]


@app.command()
def talkingdata(file: File, speed: Speed = "max", max_bad_rows: MaxBadRows = 1000, as_json: AsJson = False) -> None:
    """Import a file of the TalkingData AdTracking dataset to `clicks` and `purchases`.

    A record's Kafka timestamp is the time of the click or purchase. Line numbers give the click_ids, so a second
    import of the file repeats them, and billing bills each once. Bad rows are told on stderr and left out.

    Example: slidr import talkingdata train_sample.csv --speed 60
    """
    from traffic.talkingdata import talkingdata_mapping

    _import(file, talkingdata_mapping(), speed, max_bad_rows, as_json)


@app.command("csv")
def csv_file(
    file: File, mapping: Map, speed: Speed = "max", max_bad_rows: MaxBadRows = 1000, as_json: AsJson = False
) -> None:
    """Import any delimited text file to `clicks` and `purchases`, by a mapping from its columns to our fields.

    docs/importing.md describes mappings, with examples. Bad rows are told on stderr and left out.

    Example: slidr import csv clicks.tsv --map mapping.toml --max-bad-rows 0
    """
    from traffic.mapping import read_mapping

    try:
        document = mapping.read_bytes()
    except OSError as error:
        raise Misconfigured(f"{mapping} cannot be read: {error.strerror}.") from error
    _import(file, read_mapping(document, str(mapping)), speed, max_bad_rows, as_json)


def _import(file: Path, mapping: "Mapping", speed: str, max_bad_rows: int, as_json: bool) -> None:
    factor = _speed(speed)
    from slidr.settings import kafka_config
    from slidr.settings_source import load_settings
    from traffic.importing import import_file
    from traffic.publish import Publisher

    settings = load_settings(need=["kafka_bootstrap_servers"])
    kafka = kafka_config(settings, "producer")
    publisher = Publisher(kafka, settings.topic_prefix, linger_ms=20 if factor is None else 1)
    with _progress() as progress:
        reading = progress.add_task(file.name, total=file.stat().st_size if file.exists() else None)
        summary = import_file(
            file,
            mapping,
            publisher,
            factor,
            max_bad_rows,
            on_bad_row=lambda bad: _tell(progress, f"{file.name}:{bad.line}: {bad.reason}"),
            on_progress=lambda read_bytes: progress.update(reading, completed=read_bytes),
        )
    if as_json:
        print_json(summary)
    else:
        typer.echo(
            f"{summary.rows:,} rows in {summary.seconds:.1f} s: {summary.clicks:,} clicks and {summary.purchases:,} "
            f"purchases are in Kafka, {summary.bad_rows:,} rows were bad."
        )
    if summary.stopped_early:
        raise Refused(f"More than {max_bad_rows} rows are bad; the import stopped at row {summary.rows:,}.")


def _progress() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _tell(progress: "Progress", line: str) -> None:
    progress.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise Misconfigured(f"--speed is {text!r}; expected max, or a number above 0 such as 1 or 60.")
    return speed
