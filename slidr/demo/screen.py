"""What the demo shows: a live table, and the figures at the end. All on stderr; stdout is for JSON."""

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from slidr.demo.follow import Moment
from slidr.demo.kinds import Caught, hard_sentence, in_order
from slidr.demo.outcome import Outcome
from slidr.demo.schedule import LIVE_FROM_MS, attacks, under_way
from traffic.robots import HUMAN

_WIDTH = 72


def live_view(moment: Moment) -> Group:
    """Everything while traffic runs; latencies are those since live traffic began."""
    if moment.live_from is None:
        return Group(_traffic_table(moment, "SLIDR, live: catching up with yesterday"))
    hour = moment.sample.hour
    clock = f"{int(hour):02}:{int(hour % 1 * 60):02}" if hour < 24 else "24:00, late purchases"
    return Group(
        _traffic_table(moment, f"SLIDR, live: a day within a minute, now {clock}"),
        _kinds_table(moment),
        Text(f"attack under way: {', '.join(_attackers(moment)) or 'none'}"),
    )


def _attackers(moment: Moment) -> list[str]:
    return under_way(attacks(LIVE_FROM_MS), moment.tally.sent_until_ms)


def _traffic_table(moment: Moment, title: str) -> Table:
    now, tally = moment.now, moment.tally
    table = _plain(title)
    table.add_row("workers", str(now.workers))
    table.add_row("clicks sent / decided", f"{moment.sample.sent:,} / {tally.decisions:,}")
    table.add_row("clicks/s", f"{moment.clicks_per_s:,.0f}")
    table.add_row("lag: clicks without a decision yet", f"{moment.sample.lag:,}")
    table.add_row("in-worker ms: p50 / p99 / p99.9", _latency(moment))
    table.add_row("live clicks invalidated (IVR)", _share(tally.total))
    table.add_row("purchasing clicks invalidated (FPR)", _share(tally.purchasing))
    table.add_row("rules fired", ", ".join(f"{rule} {count:,}" for rule, count in sorted(now.rules.items())) or "none")
    return table


def _kinds_table(moment: Moment) -> Table:
    """What only the simulator knows: who is behind the clicks."""
    attackers = _attackers(moment)
    table = _plain("Invalidated, by who really clicked (only the simulator knows)")
    for kind in in_order(moment.tally.by_kind):
        name = f"[bold red]{kind} attacks[/]" if kind in attackers else kind
        table.add_row("people" if kind == HUMAN else name, _share(moment.tally.by_kind[kind]))
    return table


def _plain(title: str) -> Table:
    """Without lines between rows: all of it has to fit on a terminal of 24 lines."""
    table = Table(title=title, title_justify="left", min_width=_WIDTH, box=None, show_header=False)
    table.add_column("what")
    table.add_column("now", justify="right")
    return table


def _latency(moment: Moment) -> str:
    return " / ".join(f"{moment.now.in_worker_ms(q, moment.live_from):.1f}" for q in (0.5, 0.99, 0.999))


def show_outcome(console: Console, outcome: Outcome) -> None:
    """The figures, and what they mean."""
    table = Table(title="Read back from `decisions`, as billing reads it", title_justify="left", min_width=_WIDTH)
    table.add_column("what")
    table.add_column("found", justify="right")
    table.add_row("clicks / effective decisions", f"{outcome.clicks:,} / {outcome.decisions:,}")
    table.add_row(
        "missing / duplicates / conflicting", f"{outcome.missing} / {outcome.duplicates} / {outcome.conflicting}"
    )
    table.add_row("live clicks invalidated (IVR)", _share(Caught(outcome.live_clicks, outcome.invalid)))
    purchasing = Caught(outcome.purchasing_clicks, outcome.purchasing_invalid)
    table.add_row("purchasing clicks invalidated (FPR)", _share(purchasing))
    table.add_row(
        f"  its 95 % interval; the budget is {outcome.fpr_budget:.0%}",
        f"{outcome.fpr_low:.1%} to {outcome.fpr_high:.1%}",
    )
    for kind, found in outcome.by_kind.items():
        table.add_row("  people" if kind == HUMAN else f"  robots caught: {kind}", _share(found))
    table.add_row("release", outcome.model_version)
    table.add_row("seconds in all", f"{outcome.seconds:.0f}")
    console.print()
    console.print(table)
    if outcome.conserved:
        console.print("Conservation holds: every click has exactly one effective decision.")
    if sentence := hard_sentence(outcome.recall):
        console.print(sentence)


def _share(found: Caught) -> str:
    return "nothing yet" if found.share is None else f"{found.share:.1%} of {found.clicks:,}"
