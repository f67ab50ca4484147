"""`slidr demo`: the main job on real servers while you watch."""

import os
from pathlib import Path
from typing import Annotated

import typer

from slidr.commands.output import AsJson, print_json

Seed = Annotated[int, typer.Option(help="Of the simulated traffic and of training.")]
Html = Annotated[Path, typer.Option(help="Where to write the picture of the run.")]


def demo(seed: Seed = 1, html: Html = Path("demo.html"), as_json: AsJson = False) -> None:
    """Start Kafka and Redis, train a release, catch robots that attack while you watch, and prove conservation.

    Two to three minutes; everything started is stopped at the end, also on Ctrl-C. A picture of the run is written to
    a page of its own. --json prints the figures as one JSON object in the last line.

    Example: slidr demo --json --html /tmp/run.html
    """
    from contracts.errors import Misconfigured, Refused

    if not os.access(html.resolve().parent, os.W_OK) or html.is_dir():
        raise Misconfigured(f"The picture can't be written to {html}: name a file in a folder that you may write to.")
    from rich.console import Console

    from slidr.demo.run import demo as run

    outcome = run(Console(stderr=True), seed, html)
    if as_json:
        print_json(outcome)
    if outcome.missing or outcome.conflicting:
        raise Refused(f"{outcome.missing} clicks have no decision, {outcome.conflicting} have two that conflict.")
