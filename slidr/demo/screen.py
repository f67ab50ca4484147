"""What the demo shows: a live table, and the figures at the end. All on stderr; stdout is for JSON."""

from rich.console import Console
from rich.table import Table

from slidr.demo.outcome import Outcome
from slidr.demo.watch import Snapshot


def live_table(now: Snapshot, live_from: Snapshot | None, clicks_per_s: float, sent: int) -> Table:
    """The table while traffic runs; latencies are those since live traffic began."""
    stage = "a day as traffic goes" if live_from else "catching up with yesterday"
    table = Table(title=f"SLIDR, live: {stage}", title_justify="left", min_width=64)
    table.add_column("what")
    table.add_column("now", justify="right")
    table.add_row("workers", str(now.workers))
    table.add_row("clicks sent", f"{sent:,}")
    table.add_row("clicks decided", f"{now.clicks:,}")
    table.add_row("clicks/s", f"{clicks_per_s:,.0f}")
    table.add_row("lag, records", f"{now.lag:,}")
    table.add_row("in-worker latency, ms: p50 / p99 / p99.9", _latency(now, live_from))
    table.add_row("invalid", f"{now.invalid:,} ({now.invalid / max(now.clicks, 1):.1%})")
    for rule, count in sorted(now.rules.items()):
        table.add_row(f"  rule {rule}", f"{count:,}")
    return table


def _latency(now: Snapshot, since: Snapshot | None) -> str:
    return " / ".join(f"{now.in_worker_ms(q, since):.1f}" for q in (0.5, 0.99, 0.999))


def show_outcome(console: Console, outcome: Outcome) -> None:
    """The figures, and what they mean."""
    table = Table(title="Read back from `decisions`, as billing reads it", title_justify="left", min_width=64)
    table.add_column("what")
    table.add_column("found", justify="right")
    table.add_row("clicks", f"{outcome.clicks:,}")
    table.add_row("effective decisions", f"{outcome.decisions:,}")
    table.add_row(
        "missing / duplicates / conflicting", f"{outcome.missing} / {outcome.duplicates} / {outcome.conflicting}"
    )
    table.add_row("live clicks invalidated (IVR)", f"{_percent(outcome.ivr)} of {outcome.live_clicks:,}")
    purchasing = f"{_percent(outcome.fpr)} of {outcome.purchasing_clicks:,}"
    table.add_row("purchasing clicks invalidated (FPR)", purchasing)
    for kind, share in outcome.recall.items():
        table.add_row(f"  robots caught: {kind}", _percent(share))
    table.add_row("release", outcome.model_version)
    table.add_row("seconds in all", f"{outcome.seconds:.0f}")
    console.print()
    console.print(table)
    if outcome.missing == outcome.duplicates == outcome.conflicting == 0:
        console.print("Conservation holds: every click has exactly one effective decision.")


def _percent(share: float | None) -> str:
    return "nothing to measure" if share is None else f"{share:.1%}"
