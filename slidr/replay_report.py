"""`slidr replay report`: the comparison, saved as a page and shown in a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct

from contracts.agreement import Agreed
from contracts.replay import ReplayJob
from replay.comparing import compare
from replay.comparison import Compared
from replay.log import ReplayLog
from replay.plan import Plan
from replay.plans import Plans
from replay.rows import ReadRows
from replay.status import RunStatus, run_status
from slidr.replay_page import LINE_TITLES, TITLES, line_cells, replay_html, totals
from slidr.replay_words import agreement_lines
from slidr.replaying import Told, clicks_of, logs_of, releases_of
from slidr.settings import Settings, kafka_config

if TYPE_CHECKING:
    from rich.table import Table

# Of advertisers and campaigns; slices are few, and hours one wants to see all of.
_ROWS = 10


class Report(Struct, frozen=True):
    """What a plan changes, what its runs have written of that, and where the page is.

    `agreement` of features counted again with those that were logged, where the plan wants that.
    """

    replay_id: str
    model_version: str
    from_ms: int
    to_ms: int
    compared: Compared
    runs: list[RunStatus]
    page: str
    agreement: Agreed | None = None


def make_report(settings: Settings, plan: Plan, now_ms: int, told: Told) -> Report:
    """Decide the plan's range again, and write the page beside the plan. Raises what a run would."""
    kafka = kafka_config(settings, "consumer")
    releases = releases_of(settings)
    releases.check(plan.job)
    rescorer, total = releases.rescorer_for(plan.job), clicks_of(plan.job)
    with ReplayLog(kafka, settings.topic_prefix) as log, _rows_of(settings, plan.job, told) as (read, agreement):
        compared = compare(logs_of(settings), plan, rescorer, log, lambda clicks: told("Deciding", total, clicks), read)
        runs = [
            run_status(replay, log.progress(replay.revision), now_ms)
            for replay in log.replays()
            if replay.id == plan.id
        ]  # fmt: skip
    said = agreement_lines(agreement) if agreement else []
    page = Plans(settings.replays_uri).write(f"{plan.id}.html", replay_html(plan, compared, said).encode())
    return Report(plan.id, plan.job.model_version, plan.from_ms, plan.to_ms, compared, runs, page, agreement)


@contextmanager
def _rows_of(settings: Settings, job: ReplayJob, told: Told) -> Iterator[tuple[ReadRows | None, Agreed | None]]:
    """How to read the rows of a job, with the agreement if they are counted again."""
    if job.recompute is None:
        yield None, None
        return
    # What Redis needs takes long to import.
    from slidr.recomputing import check_recompute, compared, counted_again, rules_of

    check_recompute(settings, job)
    with counted_again(settings, job, lambda clicks: True, told) as source:
        agreement = compared(settings, job, source, lambda clicks: True, told)
        yield source.reader(rules_of(settings, job)), agreement


def report_tables(report: Report) -> "Iterator[Table]":
    """The same for a terminal: the first lines of each table."""
    from rich.table import Table

    compared = report.compared
    confusion = Table("", "becomes valid", "becomes invalid", title="Verdicts", title_justify="left")
    for old in ("valid", "invalid"):
        confusion.add_row(f"was {old}", *(f"{compared.confusion[f'{old} to {new}']:,}" for new in ("valid", "invalid")))
    yield confusion
    for name, lines in {"all": totals(compared), **compared.lines}.items():
        title = f"By {TITLES[name]}" if name in TITLES else "Money"
        shown = lines[:_ROWS] if name in ("advertiser_id", "campaign_id") else lines
        more = f", the first {_ROWS} of {len(lines)}" if len(lines) > len(shown) else ""
        table = Table(*LINE_TITLES, title=f"{title}{more}", title_justify="left")
        for line in shown:
            table.add_row(*line_cells(line))
        yield table
