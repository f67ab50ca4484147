"""`slidr demo`: the main job on real servers while you watch."""

from typing import Annotated

import typer

from slidr.commands.output import AsJson, print_json

Seed = Annotated[int, typer.Option(help="Of the simulated traffic and of training.")]


def demo(seed: Seed = 1, as_json: AsJson = False) -> None:
    """Start Kafka and Redis, train a release, decide live traffic with two workers, and prove conservation.

    Two to three minutes; everything started is stopped at the end, also on Ctrl-C. --json prints the figures as one
    JSON object in the last line.

    Example: slidr demo --json
    """
    from rich.console import Console

    from contracts.errors import Refused
    from slidr.demo.run import demo as run

    outcome = run(Console(stderr=True), seed)
    if as_json:
        print_json(outcome)
    if outcome.missing or outcome.conflicting:
        raise Refused(f"{outcome.missing} clicks have no decision, {outcome.conflicting} have two that conflict.")
