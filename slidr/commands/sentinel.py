"""`slidr sentinel`: watch the release in force, and take it back when it goes wrong."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from slidr.commands.output import AsJson, print_json
from slidr.commands.signals import received_signals

if TYPE_CHECKING:
    from contracts.verdicts import GuardrailVerdict
    from streams.sentinel import Report

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only report: neither release events nor the sentinel's state are written.")
]


def sentinel(dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Watch what the release in force does to live clicks until SIGTERM or Ctrl-C, and roll it back when it goes wrong.

    After a promotion it compares the new release with the last stable one on the same clicks, slice by slice, for a
    day; then it ends that shadow. It also compares with what the release is expected to do, and with purchases. Two may
    run: an action has effect once. Shows what it sees, or prints one JSON object a judgement. See docs/sentinel.md.

    Example: SLIDR_METRICS_PORT=0 slidr sentinel --dry-run
    """
    from slidr.logs import log_to_stderr
    from slidr.sentinel import run_sentinel
    from slidr.settings_source import load_settings

    settings = load_settings(need=["kafka_bootstrap_servers"])
    log_to_stderr()
    with received_signals() as received, _shown(as_json) as shown:
        run_sentinel(settings, dry_run=dry_run, stopped=lambda: bool(received), on_report=shown.report)


class _Shown(Protocol):
    def report(self, report: "Report") -> None:
        """Show a judgement."""


class _Lines:
    """One JSON object a judgement."""

    def report(self, report: "Report") -> None:
        """Print it: verdicts over their limit whole, the others counted."""
        judgement = report.judgement
        print_json(
            {
                "at_ms": judgement.at_ms,
                "active": judgement.active,
                "shadow": judgement.shadow,
                "passed": _count(judgement.verdicts, "passed"),
                "not_judged": _count(judgement.verdicts, "not judged"),
                "blocked": _blocked(judgement.verdicts),
                "action": judgement.action,
                "outcome": report.outcome,
            }
        )
        sys.stdout.flush()


class _Log:
    """Lines of the log, for a service: what changed, and a sign of life each minute of stream time."""

    def __init__(self) -> None:
        self._alarms: set[tuple[str, str]] = set()
        self._minute = 0

    def report(self, report: "Report") -> None:
        """Write what is new."""
        import structlog

        log, judgement = structlog.get_logger(), report.judgement
        blocked = {(verdict.guardrail, verdict.where): verdict for verdict in _blocked(judgement.verdicts)}
        for key in blocked.keys() - self._alarms:
            log.warning("over its limit", guardrail=key[0], what=blocked[key].sentence, remedy=blocked[key].remedy)
        for guardrail, where in self._alarms - blocked.keys():
            log.info("within its limit again", guardrail=guardrail, where=where)
        self._alarms = set(blocked)
        if judgement.action:
            log.warning(judgement.action.action, why=judgement.action.reason, outcome=report.outcome)
        if judgement.at_ms // 60_000 > self._minute:
            self._minute = judgement.at_ms // 60_000
            log.info("judged", active=judgement.active, shadow=judgement.shadow, alarms=len(blocked))


class _Screen:
    """A table on the terminal, drawn anew with each judgement."""

    def __init__(self, live: Any) -> None:
        self._live = live
        self._said: list[str] = []

    def report(self, report: "Report") -> None:
        """Draw it."""
        from rich.console import Group
        from rich.text import Text

        if report.judgement.action:
            self._said.append(f"{report.outcome}. {report.judgement.action.reason}")
        alarms = [f"{one.sentence} {one.remedy}" for one in _blocked(report.judgement.verdicts)]
        said = [Text(line, style="bold red") for line in alarms] + [Text(line) for line in self._said[-5:]]
        self._live.update(Group(_table(report), *said))


def _table(report: "Report") -> Any:
    from rich.table import Table

    from slidr.times import show_time

    judgement = report.judgement
    table = Table(title=f"{judgement.active} beside {judgement.shadow or 'no shadow'}, {show_time(judgement.at_ms)}")
    for name in ("slice", "guardrail", "measured", "limit", ""):
        table.add_column(name)
    for verdict in judgement.verdicts:
        if verdict.outcome == "not judged":
            table.add_row(verdict.where, verdict.guardrail, "", "", "not judged", style="dim")
        else:
            style = "red" if verdict.outcome == "blocked" else ""
            numbers = (f"{verdict.measured or 0:.3g}", f"{verdict.limit or 0:.3g}")
            table.add_row(verdict.where or "all", verdict.guardrail, *numbers, verdict.outcome, style=style)
    return table


def _count(verdicts: "tuple[GuardrailVerdict, ...]", outcome: str) -> int:
    return sum(verdict.outcome == outcome for verdict in verdicts)


def _blocked(verdicts: "tuple[GuardrailVerdict, ...]") -> "list[GuardrailVerdict]":
    return [verdict for verdict in verdicts if verdict.outcome == "blocked"]


@contextmanager
def _shown(as_json: bool) -> Iterator[_Shown]:
    if as_json:
        yield _Lines()
    elif sys.stdout.isatty():
        from rich.live import Live

        with Live(refresh_per_second=4) as live:
            yield _Screen(live)
    else:
        yield _Log()
