"""What commands print: sentences for people, one JSON object for scripts."""

from typing import Annotated, Any

import msgspec
import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def print_json(value: Any) -> None:
    """One line of JSON on stdout."""
    typer.echo(msgspec.json.encode(value).decode())
