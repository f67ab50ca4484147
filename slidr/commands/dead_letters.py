"""`slidr dead-letters`: records of `clicks` that are no clicks."""

from typing import Annotated, Any

import typer

from slidr.commands.output import AsJson, print_json

app = typer.Typer(help="Records of clicks that could not be read as clicks.", no_args_is_help=True)

OfPath = Annotated[str | None, typer.Option("--path", help="Only those with this field at fault, such as $.ip.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many, the latest of each partition.")]
SHOWN_BYTES = 120


@app.command("list")
def list_letters(path: OfPath = None, limit: Limit = 20, as_json: AsJson = False) -> None:
    """Show how many records were parked by field at fault, and the latest of them.

    Example: slidr dead-letters list --path '$.cost_micros'
    """
    from collections import Counter, deque

    from slidr.parked import read_dead_letters

    by_path: Counter[str] = Counter()
    latest: deque[Any] = deque(maxlen=limit)
    for letter in read_dead_letters(*_deployment(), path):
        by_path[letter.path] += 1
        latest.append(letter)
    if as_json:
        shown = [{**_place(letter), "value": letter.value.decode(errors="replace")} for letter in latest]
        print_json({"parked": by_path.total(), "by_path": by_path, "latest": shown})
        return
    typer.echo(f"{by_path.total()} record(s) parked.")
    for field, count in by_path.most_common():
        typer.echo(f"{count:>8}  {field}")
    for letter in latest:
        start = letter.value[:SHOWN_BYTES].decode(errors="replace")
        typer.echo(
            f"clicks[{letter.source_partition}] {letter.source_offset}  {letter.path}: {letter.reason}  {start!r}"
        )


@app.command()
def retry(path: OfPath = None, as_json: AsJson = False) -> None:
    """Send parked records to clicks again, after what kept them from being read was mended.

    Those that are still no clicks, or were too large to be parked whole, are left out.

    Example: slidr dead-letters retry --path '$.device'
    """
    from slidr.parked import read_dead_letters
    from slidr.parked import retry as send

    kafka, prefix = _deployment()
    sent, left_out = send(kafka, prefix, read_dead_letters(kafka, prefix, path))
    if as_json:
        print_json({"sent": sent, "left_out": left_out})
    else:
        typer.echo(f"{sent} record(s) sent to clicks again; {left_out} left out: still no clicks, or not parked whole.")


def _place(letter: Any) -> dict[str, Any]:
    return {
        "path": letter.path,
        "reason": letter.reason,
        "source_partition": letter.source_partition,
        "source_offset": letter.source_offset,
        "whole": letter.whole,
    }


def _deployment() -> tuple[dict[str, str], str]:
    from slidr.settings import kafka_config
    from slidr.settings_source import load_settings

    settings = load_settings(need=["kafka_bootstrap_servers"])
    return kafka_config(settings, "consumer"), settings.topic_prefix
