"""Plans and outcomes of replays, and how far features counted again agree with the logged ones, in words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from contracts.agreement import Agreed
from contracts.replay import Preparation
from replay.begin import CLICKS_PER_S
from replay.estimate import Estimate
from replay.plan import Plan
from slidr.replaying import Outcome, clicks_to_count
from slidr.times import show_duration, show_time

if TYPE_CHECKING:
    from rich.table import Table

# Differing features that are named, those that differ most first.
_NAMED: Final = 10


def plan_table(plan: Plan) -> "Table":
    """What a plan would do, for a terminal."""
    from rich.table import Table

    table = Table(title=f"Replay {plan.id}", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column()
    for name, value in _lines(plan):
        table.add_row(name, value)
    return table


def agreement_lines(found: Agreed) -> list[str]:
    """How far features counted again agree with the logged ones, in sentences."""
    if not found.clicks:
        return ["No click was compared with what was logged."]
    differ = found.clicks - found.equal
    flips = found.verdicts_explained + found.verdicts_unexplained
    lines = [
        f"Counted again and logged: of {found.clicks:,} clicks {found.equal / found.clicks:.4%} have every feature bit "
        f"for bit. {differ:,} do not: {found.shared:,} by the order of clicks of an IP that partitions share, "
        f"{found.without_state:,} were decided without their state, {found.unexplained:,} are not explained.",
        f"Verdicts of the releases that decided: {found.verdict_ratio:.4%} are the same; {flips:,} differ, of which "
        f"{found.verdicts_unexplained:,} are not explained.",
    ]
    if found.verdicts_unknown:
        lines.append(f"{found.verdicts_unknown:,} were decided by releases that cannot be read any more.")
    if named := [(equal, name) for name, equal in found.features.items() if equal < found.clicks]:
        shares = ", ".join(f"{name} {equal / found.clicks:.4%}" for equal, name in sorted(named)[:_NAMED])
        lines.append(f"Features that differ most, with the share that is equal: {shares}.")
    for one in found.named:
        what = ", ".join(one.features) or "the verdict alone"
        lines.append(f"Not explained: clicks[{one.partition}] offset {one.offset}, {one.click_id}: {what}.")
    return lines


def preparation_text(found: Preparation) -> str:
    """What is done before the first click is decided, in short lines."""
    return f"{found.step} features\n{found.clicks:,} of {found.total:,}\nnone decided yet"


def outcome_text(outcome: Outcome) -> str:
    """What became of a run, and what to do next."""
    name = outcome.replay_id
    lines = [
        f"Replay {name}, revision {outcome.revision}: {outcome.state}. {outcome.written:,} decisions stand in "
        f"{outcome.topic}."
    ]
    if outcome.agreement is not None:
        lines += agreement_lines(outcome.agreement)
    if outcome.state not in ("done", "cancelled"):
        lines.append(f"It goes on. `slidr replay status {name} --follow` looks again, `cancel` ends it.")
    return "\n".join(lines)


def _lines(plan: Plan) -> Iterator[tuple[str, str]]:
    job, outlook = plan.job, plan.outlook
    selection = job.selection
    yield "decided", f"{show_time(plan.from_ms)} to {show_time(plan.to_ms)}"
    yield "again by", job.model_version
    for name, values in (("slices", selection.slices), ("advertisers", selection.advertisers)):
        if values:
            yield name, ", ".join(values)
    if selection.model_version_was:
        yield "decided by", selection.model_version_was
    if any(part.place == "archive" for part in plan.parts):
        for part in plan.parts:
            when = f"{show_time(part.from_ms)} to {show_time(part.to_ms)}"
            where = "the archive" if part.place == "archive" else "Kafka"
            yield f"from {where}", f"clicks[{part.partition}] {part.first} to {part.end - 1}, {when}"
    else:
        offsets = (f"clicks[{p}] {span.first} to {span.end - 1}" for p, span in sorted(job.spans.items()))
        yield "from Kafka", ", ".join(offsets)
    for lost in plan.expired:
        since = "before" if lost.since_ms is None else f"{show_time(lost.since_ms)} to"
        yield "left out", f"partition {lost.partition}, {since} {show_time(lost.until_ms)}: in neither of them"
    yield "clicks", f"{outlook.clicks:,}, of which {_shown(outlook.matching)} match"
    yield "valid → invalid", _shown(outlook.invalidated)
    yield "invalid → valid", _shown(outlook.restored)
    for currency, money in outlook.money.items():
        yield f"{currency} credited", _shown(money.credited, 1e-6, 2)
        yield f"{currency} charged", _shown(money.charged, 1e-6, 2)
    counted = clicks_to_count(job)
    if counted:
        yield "features", f"counted again from {counted:,} clicks; the estimates take those that were logged"
    for short in plan.short:
        yield "not counted", f"partition {short.partition}, before {show_time(short.until_ms)}: expired"
    how = "all were read" if outlook.exact else f"{outlook.sampled:,} were read; intervals of {outlook.confidence:.0%}"
    yield "estimated", how
    limit = f"{CLICKS_PER_S:,.0f} clicks/s, the default limit"
    # Counting, comparing and deciding come one after another.
    counting_s = (counted + outlook.clicks) / CLICKS_PER_S if counted else 0.0
    yield "takes", f"{show_duration(outlook.seconds(CLICKS_PER_S) + counting_s)} at {limit}"


def _shown(estimate: Estimate, unit: float = 1.0, decimals: int = 0) -> str:
    value, low, high = (f"{number * unit:,.{decimals}f}" for number in (estimate.value, estimate.low, estimate.high))
    return value if low == high else f"{value} ({low} to {high})"
