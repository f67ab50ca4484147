"""From a request in times to a plan in offsets. Reads Kafka, archive and model store, and changes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.errors import Refused
from contracts.replay import ReplayJob, Selection, Span
from model.manifest import SLICES
from replay.estimate import CONFIDENCE, Estimate, estimated
from replay.log import ReplayLog
from replay.logs import Logs
from replay.parts import Gap, refuse_gaps
from replay.plan import ExpiredPart, Outlook, Plan, check_range, outlook_of, overlap
from replay.releases import Releases
from replay.sample import MATCHING, Sample, draw, has_advertiser, records_of
from replay.spans import resolve
from replay.warming import WarmUp, freeze, refuse_short


@dataclass(frozen=True)
class Wish:
    """What is to be planned: decisions made from `from_ms` up to before `to_ms` (None: now), again by `model`.

    `recompute`: on features that are counted again from the clicks, by rules that fire again.
    """

    from_ms: int
    to_ms: int | None
    selection: Selection
    model: str
    keep_rules: bool = False
    allow_gaps: bool = False
    recompute: bool = False


def make_plan(
    kafka: Mapping[str, Any],
    prefix: str,
    releases: Releases,
    wish: Wish,
    replay_id: str,
    now_ms: int,
    show: Callable[[int], str],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    archive_uri: str = "",
) -> Plan:
    """A plan, not yet saved. Raises Misconfigured or Refused for what could not be run; `show(ms)` writes a time."""
    to_ms = now_ms if wish.to_ms is None else wish.to_ms
    check_range(wish.from_ms, to_ms, now_ms)
    _check_slices(wish.selection)
    rescorer = releases.rescorer(wish.model, keep_rules=wish.keep_rules or wish.recompute)
    logs = Logs(kafka, prefix, archive_uri)
    resolved = resolve(logs, wish.from_ms, to_ms)
    if not wish.allow_gaps:
        refuse_gaps(resolved.gaps, archive_uri, show)
    if not resolved.spans:
        raise Refused(
            f"Nothing was decided between {show(wish.from_ms)} and {show(to_ms)}: the feature log has no rows of that "
            "time. The range is that of the decisions (decided_at_ms), not of the clicks."
        )
    warm_up = _warm_up(kafka, prefix, wish, resolved.spans, show)
    sample = draw(logs, resolved.spans, wish.selection, rescorer, on_progress)
    outlook = _outlook(sample, resolved.spans)
    _check_advertisers(logs, wish.selection, resolved.spans, outlook)
    job = ReplayJob(
        wish.selection, wish.model, releases.manifest_sha256(wish.model), resolved.spans, keep_rules=wish.keep_rules,
        recompute=warm_up and warm_up.clicks,
    )  # fmt: skip
    expired = tuple(_expired(gap, to_ms) for gap in resolved.gaps)
    return Plan(
        replay_id, now_ms, wish.from_ms, to_ms, job, outlook, expired, _published(kafka, prefix, job),
        tuple(resolved.parts), tuple(warm_up.short) if warm_up else (),
    )  # fmt: skip


def _expired(gap: Gap, to_ms: int) -> ExpiredPart:
    until_ms = to_ms if gap.until_ms is None else gap.until_ms
    return ExpiredPart(gap.partition, until_ms, gap.since_ms, gap.first, gap.end)


def _warm_up(
    kafka: Mapping[str, Any], prefix: str, wish: Wish, spans: dict[int, Span], show: Callable[[int], str]
) -> WarmUp | None:
    """What is counted again, if anything. Raises Refused where clicks are missing."""
    if not wish.recompute:
        return None
    found = freeze(kafka, prefix, spans)
    if not wish.allow_gaps:
        refuse_short(found.short, show)
    return found


def _check_slices(selection: Selection) -> None:
    if unknown := sorted(set(selection.slices) - set(SLICES)):
        raise Refused(f"Unknown slice(s): {', '.join(unknown)}. There are {', '.join(SLICES)}.")


def _check_advertisers(logs: Logs, selection: Selection, spans: dict[int, Span], outlook: Outlook) -> None:
    """Refuse an advertiser without a click; one that the sample may have missed is searched for."""
    for advertiser in selection.advertisers:
        if not has_advertiser(logs, spans, advertiser):
            raise Refused(f"Advertiser {advertiser!r} has no click in the range. Check its id, or the range.")
    if outlook.exact and outlook.matching.value == 0:
        raise Refused("No click in the range is of that slice, advertiser and model version. Check what was asked for.")


def _outlook(sample: Sample, spans: dict[int, Span]) -> Outlook:
    clicks = sum(map(_clicks, spans.values()))
    exact = sample.drawn_ratio >= 1
    clicks = sample.clicks if exact else clicks
    estimates: dict[str, Estimate] = estimated(sample.blocks, clicks, sample.drawn_ratio)
    assert MATCHING in estimates
    return outlook_of(estimates, clicks, sample.clicks, exact, CONFIDENCE, sample.clicks_per_s)


def _clicks(span: Span) -> int:
    """About how many clicks are there to be read: of those in missing records only their share is known."""
    return round(span.offsets * records_of(span) / (span.log_end - span.log_first))


def _published(kafka: Mapping[str, Any], prefix: str, job: ReplayJob) -> tuple[str, ...]:
    """Replays that have published over the same clicks."""
    with ReplayLog(kafka, prefix) as log:
        earlier = [replay for replay in log.replays() if replay.job.publish]
    return tuple(replay.id for replay in earlier if overlap(replay.job.spans, job.spans))
