"""`slidr decisions`: the decisions as billing reads them."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts.errors import Misconfigured
from slidr.commands.output import AsJson, print_json
from slidr.times import TIME_HELP, parse_time, show_time

if TYPE_CHECKING:
    from billing.fold import Effect
    from billing.ledger import SqliteLedger
    from billing.reader import Batch, Positions, Start
    from contracts.events import Decision

app = typer.Typer(help="The decisions as billing reads them.", no_args_is_help=True)

UntilEnd = Annotated[bool, typer.Option("--until-end", help="Stop at the end of what is there now.")]
From = Annotated[
    str | None,
    typer.Option("--from", help=f"earliest, latest, or {TIME_HELP}. Without it latest when following, else earliest."),
]
Ledger = Annotated[
    Path | None,
    typer.Option(help="A SQLite file that keeps bill and positions: the next call goes on where this one ends."),
]
SummaryOnly = Annotated[bool, typer.Option("--summary", help="Print only the summary at the end.")]


@app.command()
def tail(
    until_end: UntilEnd = False,
    start: From = None,
    ledger: Ledger = None,
    summary: SummaryOnly = False,
    as_json: AsJson = False,
) -> None:
    """Print what each new decision does to the bill: billed, corrected, or nothing; duplicates are left out.

    Follows until Ctrl-C, or --until-end. At the end a summary says what each advertiser owes for what was read, or for
    the whole of --ledger. docs/billing.md describes the rule.

    Example: slidr decisions tail --until-end --ledger bill.sqlite
    """
    from billing.reader import BillingReader
    from contracts.topics import Topic, topic_name
    from slidr.settings import kafka_config
    from slidr.settings_source import load_settings

    settings = load_settings(need=["kafka_bootstrap_servers"])
    topic = topic_name(Topic.DECISIONS, settings.topic_prefix)
    effects: Counter[str] = Counter()
    with _open(ledger) as book:
        positions = book.positions()
        begin = _start(start, positions, follows=not (until_end or ledger))
        with BillingReader(kafka_config(settings, "consumer"), topic, positions, begin) as reader:
            for batch in _until_interrupted(reader.batches(until_end)):
                effects["duplicate"] += batch.duplicates
                for effect, decision in book.apply(batch):
                    effects[effect] += 1
                    if not summary:
                        _print(effect, decision, as_json)
        _summarise(book, effects, as_json)


@contextmanager
def _open(path: Path | None) -> "Iterator[SqliteLedger]":
    """The ledger at the path; without one, one that is thrown away."""
    from billing.ledger import SqliteLedger

    with TemporaryDirectory(prefix="slidr-ledger-") as folder, SqliteLedger(path or Path(folder) / "ledger") as ledger:
        yield ledger


def _start(text: str | None, positions: "Positions | None", follows: bool) -> "Start":
    if positions is not None and text is not None:
        raise Misconfigured("--from is for a new ledger; this one goes on from its stored positions. Leave it out.")
    if text == "latest" or (text is None and follows):
        return "latest"
    if text is None or text == "earliest":
        return "earliest"
    return parse_time(text, round(time.time() * 1000))


def _until_interrupted(batches: "Iterator[Batch]") -> "Iterator[Batch]":
    """Ctrl-C ends the reading, not the applying: the ledger stays at a batch's end."""
    while True:
        try:
            batch = next(batches, None)
        except KeyboardInterrupt:
            return
        if batch is None:
            return
        yield batch


def _print(effect: "Effect", decision: "Decision", as_json: bool) -> None:
    if as_json:
        print_json({"effect": effect, "decision": decision})
        return
    why = ", ".join(decision.rules) or f"score {decision.score:g} of {decision.threshold:g}"
    typer.echo(
        f"{show_time(decision.decided_at_ms)} {effect:<17} {decision.verdict:<7} "
        f"{decision.cost_micros / 1e6:>9.4f} {decision.currency} {decision.click_id} {decision.advertiser_id} "
        f"{decision.campaign_id} {decision.slice} ({why}) {decision.model_version} {decision.run}"
    )


def _summarise(book: "SqliteLedger", effects: Counter[str], as_json: bool) -> None:
    charges = book.charges()
    if as_json:
        found: dict[str, Any] = {"effects": effects, "charges": [charge._asdict() for charge in charges]}
        print_json({"summary": found})
        return
    typer.echo(", ".join(f"{count:,} {effect}" for effect, count in sorted(effects.items()) if count) or "Nothing new.")
    for charge in charges:
        typer.echo(
            f"{charge.advertiser_id:<24} {charge.charged_micros / 1e6:>14,.4f} {charge.currency} for "
            f"{charge.valid_clicks:,} valid clicks; {charge.invalid_clicks:,} invalid ones are free"
        )
