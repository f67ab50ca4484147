"""A replay's comparison as an HTML page: what flips, what it is worth, where and when, with examples. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final
from xml.etree.ElementTree import Element

from replay.comparison import Compared, Example, Line
from replay.plan import Plan
from slidr.picture.charts import Box, Column, columns, drawing, frame, x_unit
from slidr.picture.markup import Child, node, page
from slidr.picture.scales import Scale, from_zero
from slidr.picture.style import CSS
from slidr.report.tables import table
from slidr.times import show_time

SHOWN: Final = 25
TITLES: Final = {"slice": "slice", "advertiser_id": "advertiser", "campaign_id": "campaign", "hour": "hour (UTC)"}
LINE_TITLES: Final = ("", "currency", "clicks", "valid to invalid", "invalid to valid", "credited", "charged")
_STYLE: Final = """
.restored { fill: var(--blue); } .tiles { grid-template-columns: repeat(4, 1fr); } table { font-size: 13px; }
"""
_WIDTH, _HEIGHT = 1000, 240
_BOX: Final = Box(60, 24, _WIDTH - 80, _HEIGHT - 70)


def replay_html(plan: Plan, compared: Compared, agreement: Sequence[str] = ()) -> str:
    """HTML that is also well-formed XML and needs nothing from anywhere else.

    `agreement`: sentences on features counted again, where the plan wants that.
    """
    return page(f"SLIDR: replay {plan.id}", CSS + _STYLE, _body(plan, compared, agreement))


def line_cells(line: Line) -> list[str]:
    """A line of a table: counts, and money in units of its currency."""
    counts = (f"{count:,}" for count in (line.clicks, line.invalidated, line.restored))
    money = (f"{micros / 1e6:,.2f}" for micros in (line.credited_micros, line.charged_micros))
    return [line.value, line.currency, *counts, *money]


def totals(compared: Compared) -> list[Line]:
    """Everything, a line for each currency."""
    found: dict[str, list[Line]] = {}
    for line in compared.lines["slice"]:
        found.setdefault(line.currency, []).append(line)
    return [
        Line(
            "all",
            currency,
            sum(line.clicks for line in lines),
            sum(line.invalidated for line in lines),
            sum(line.restored for line in lines),
            sum(line.credited_micros for line in lines),
            sum(line.charged_micros for line in lines),
        )
        for currency, lines in sorted(found.items())
    ]


def _body(plan: Plan, compared: Compared, agreement: Sequence[str]) -> Iterable[Child]:
    flips = compared.confusion["valid to invalid"] + compared.confusion["invalid to valid"]
    yield node("h1", f"{plan.job.model_version} changes {flips:,} of {compared.clicks:,} verdicts")
    yield node(
        "p",
        f"Replay {plan.id}: decisions made from {show_time(plan.from_ms)} to {show_time(plan.to_ms)}, decided again by "
        f"{plan.job.model_version}. Credited is given back for clicks that become invalid, charged is asked for those "
        "that become valid.",
        class_="soft",
    )
    tiles = (node("li", node("strong", f"{count:,}"), name) for name, count in compared.confusion.items())
    yield node("ul", *tiles, class_="tiles")
    yield node("h2", "Money")
    yield table(LINE_TITLES, map(line_cells, totals(compared)), words=2)
    yield node("h2", "By hour of the decision")
    yield node("figure", _hours(compared.lines["hour"]))
    for name in ("slice", "advertiser_id", "campaign_id", "hour"):
        lines = compared.lines[name]
        more = f" (the {SHOWN} with most flips of {len(lines)})" if name != "hour" and len(lines) > SHOWN else ""
        yield node("h2", f"By {TITLES[name]}{more}")
        yield table(LINE_TITLES, map(line_cells, lines if name == "hour" else lines[:SHOWN]), words=2)
    if agreement:
        yield node("h2", "Features counted again")
        yield from (node("p", sentence) for sentence in agreement)
    if compared.examples:
        yield node("h2", "Examples")
        yield node("p", "In brackets what the worker said.", class_="soft")
        yield _examples(compared.examples)


def _hours(lines: Sequence[Line]) -> Element:
    """Flips of each hour, stacked."""
    hours = sorted({line.value for line in lines})
    stacks = [(hour, [line for line in lines if line.value == hour]) for hour in hours]
    counts = [(sum(line.invalidated for line in of), sum(line.restored for line in of)) for _, of in stacks]
    x = Scale(0, max(1, len(hours)), _BOX.left, _BOX.left + _BOX.width, ())
    y = from_zero(max((sum(count) for count in counts), default=0), _BOX.bottom, _BOX.top)
    drawn = [
        Column(i, i + 1, count, f"{hour}: {count[0]:,} to invalid, {count[1]:,} to valid")
        for i, (hour, count) in enumerate(zip(hours, counts, strict=True))
    ]
    ends = f"{hours[0]} to {hours[-1]} UTC, by hour" if hours else ""
    return drawing(
        _WIDTH, _HEIGHT, "Flips by hour", frame(_BOX, x, y, "flips: orange to invalid, blue to valid"),
        columns(drawn, x, y, ("invalid", "restored")), x_unit(_BOX, ends),
    )  # fmt: skip


def _examples(examples: Sequence[Example]) -> Element:
    titles = ("click", "advertiser", "slice", "was", "becomes", "score", "threshold", "cost")
    rows: list[list[Child]] = [
        [
            one.click_id,
            one.advertiser_id,
            one.slice,
            f"{one.was} ({one.logged_reason}, {one.logged_score:g})",
            f"{one.becomes} ({one.reason})",
            f"{one.score:g}",
            f"{one.threshold:g}",
            f"{one.cost_micros / 1e6:,.4f} {one.currency}",
        ]
        for one in examples
    ]
    return table(titles, rows, words=5)
