"""`slidr decisions`: the decisions as billing reads them."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contracts.errors import Misconfigured, Refused, Unavailable
from slidr.commands.output import AsJson, print_json
from slidr.commands.signals import received_signals
from slidr.times import TIME_HELP, parse_time, show_time

if TYPE_CHECKING:
    from billing.closing import Closer
    from billing.fold import Effect
    from billing.ledger import SqliteLedger
    from billing.reader import Batch, Positions, Start
    from contracts.events import Decision, FinalityMarker

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
Once = Annotated[
    bool, typer.Option("--once", help="Look once and end; exit code 1 if an ended hour waits for decisions.")
]
GraceMin = Annotated[float, typer.Option(min=0, help="Look at an hour so many minutes after its end.")]
CorrectionDays = Annotated[
    int, typer.Option(min=0, help="Corrections decided so many days after the hour or later are credits.")
]
CLOSE_EVERY_S = 1.0
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


@app.command()
def close(
    once: Once = False, grace_min: GraceMin = 5, correction_days: CorrectionDays = 30, as_json: AsJson = False
) -> None:
    """Write for billing which hours are final, in each partition, until SIGTERM or Ctrl-C. Run one per deployment.

    An hour is looked at --grace-min minutes after its end. Its marker is written to decision-markers when every click
    that stood in clicks by then is decided. docs/billing.md says what a marker promises.

    Example: slidr decisions close --correction-days 30
    """
    from billing.closing import Closer, ClosingRule
    from contracts.topics import DAY_MS
    from slidr.settings import kafka_config
    from slidr.settings_source import load_settings

    settings = load_settings(need=["kafka_bootstrap_servers"])
    rule = ClosingRule(round(grace_min * 60_000), correction_days * DAY_MS)
    closer = Closer(kafka_config(settings, "consumer"), settings.topic_prefix, rule)
    try:
        with received_signals() as received:
            _close_hours(closer, as_json, lambda: once or bool(received))
        if once and closer.waiting:
            raise Refused(_sentence(closer))
    finally:
        closer.close()


@app.command()
def final(as_json: AsJson = False) -> None:
    """Show until when decisions are final: every click that came before is decided, in each partition.

    Example: slidr decisions final --json
    """
    from billing.closing import read_finality
    from billing.log import open_consumer, partitions_of
    from contracts.topics import Topic, topic_name
    from slidr.settings import kafka_config
    from slidr.settings_source import load_settings

    settings = load_settings(need=["kafka_bootstrap_servers"])
    kafka, prefix = kafka_config(settings, "consumer"), settings.topic_prefix
    finality = read_finality(kafka, prefix)
    consumer = open_consumer(kafka)
    try:
        partitions = partitions_of(consumer, topic_name(Topic.CLICKS, prefix))
    finally:
        consumer.close()
    until_ms, newest = finality.final_until_ms(partitions), {p: finality.newest(p) for p in partitions}
    if as_json:
        print_json({"final_until_ms": until_ms, "partitions": newest})
        return
    typer.echo(f"Final until {show_time(until_ms)}." if until_ms else "No hour is final in all partitions yet.")
    for partition, marker in newest.items():
        typer.echo(f"clicks[{partition}]  " + (_as_line(marker) if marker else "no marker yet"))


def _close_hours(closer: "Closer", as_json: bool, stopped: Callable[[], bool]) -> None:
    told = False
    while True:
        try:
            markers = closer.step(round(time.time() * 1000))
        except Unavailable as error:
            if stopped():
                raise
            typer.echo(f"slidr: {error} Trying again.", err=True)
            markers = []
        for marker in markers:
            print_json(marker) if as_json else typer.echo(f"clicks[{marker.partition}]  {_as_line(marker)}")
        if stopped():
            return
        if closer.waiting and not told:
            typer.echo(f"slidr: {_sentence(closer)}", err=True)
        told = bool(closer.waiting)
        time.sleep(CLOSE_EVERY_S)


def _sentence(closer: "Closer") -> str:
    partition, look = min(closer.waiting.items())
    return (
        f"{len(closer.waiting)} partition(s) wait for decisions, clicks[{partition}] up to offset "
        f"{look.clicks_end - 1} for the hour that ended at {show_time(look.hour_ends_ms)}. "
        "`slidr releases` shows which workers live."
    )


def _as_line(marker: "FinalityMarker") -> str:
    return (
        f"final until {show_time(marker.hour_ends_ms)}: offsets below {marker.clicks_end}, by offset "
        f"{marker.decisions_end} of decisions; credits from {show_time(marker.credit_from_ms)}"
    )


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
