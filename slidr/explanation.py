"""A click's trail in plain words. Pure."""

from collections.abc import Iterator

from contracts.events import Decision
from contracts.features import FEATURES
from slidr.audit import DecisionRecord, FeatureRow, ReleaseRecord, Trail
from slidr.times import show_time

_EFFECTS = {
    "billed": "put the click on the bill",
    "corrected": "corrected the bill",
    "superseded": "changed nothing: a higher revision stood already",
    "repeated_click_id": "changed nothing: the click_id was on the bill from an earlier place",
    "duplicate": "changed nothing: the same record again",
}
_FLAGS = {
    "UNCOUNTED_LATE": "it reached Kafka later than the longest window, so it is counted in no feature",
    "UNCOUNTED_FUTURE": "it came from the future of its Kafka timestamp, so it is counted in no feature",
    "ANSWER_GONE": "it was decided again after state was lost: features are those of the state at that time",
    "COLD": "it was decided while lost state was still being counted again",
}


def explain(trail: Trail) -> Iterator[str]:
    """Lines of text. The trail has at least one record."""
    standing = next(record.decision for record in trail.records if record.stands)
    charged = "are charged" if standing.verdict == "valid" else "are not charged"
    to = f"{standing.advertiser_id} ({standing.campaign_id})"
    yield f"Click {trail.click_id} is {standing.verdict}: {_money(standing)} {charged} to {to}."
    yield f"Why: {_reason(standing)}"
    for number, record in enumerate(trail.records, start=1):
        yield ""
        yield from _record(number, len(trail.records), record)
    yield ""
    yield from _releases(trail.releases, {record.decision.model_version for record in trail.records})
    yield ""
    yield from _features(trail.features)


def _record(number: int, of: int, record: DecisionRecord) -> Iterator[str]:
    decision = record.decision
    run = decision.run if decision.revision == 0 else f"{decision.run}, supersedes {decision.supersedes}"
    after_ms = decision.decided_at_ms - decision.clicked_at_ms
    yield f"Record {number} of {of}{', which stands' if record.stands else ''}: {decision.verdict}"
    yield f"  {_EFFECTS[record.effect]}"
    yield f"  clicked     {show_time(decision.clicked_at_ms)}"
    yield f"  decided     {show_time(decision.decided_at_ms)}, {after_ms:,} ms later"
    yield f"  run         {run}, revision {decision.revision}"
    yield f"  stands in   decisions[{decision.source_partition}] at offset {record.offset}"
    yield f"  click in    clicks[{decision.source_partition}] at offset {decision.source_offset}"
    yield f"  rules       {', '.join(decision.rules) or 'none fired'}"
    yield f"  score       {decision.score:g}, threshold {decision.threshold:g} of slice {decision.slice}"
    yield f"  release     {decision.model_version}"


def _reason(decision: Decision) -> str:
    score = f"{decision.score:g} {'>=' if decision.score >= decision.threshold else '<'} {decision.threshold:g}"
    if decision.rules:
        return f"the rule {decision.reason} fired; the model's score was {score}."
    if decision.verdict == "invalid":
        return f"the model's score reached the threshold of slice {decision.slice} ({score}); no rule fired."
    return f"no rule fired, and the model's score is below the threshold of slice {decision.slice} ({score})."


def _money(decision: Decision) -> str:
    return f"{decision.cost_micros / 1e6:.4f} {decision.currency}"


def _releases(releases: list[ReleaseRecord], versions: set[str]) -> Iterator[str]:
    for offset, event in ((release.offset, release.event) for release in releases):
        what = f"{event.action} of {event.version}"
        yield f"Release event {offset}, {show_time(event.at_ms)}: {what} by {event.by}: {event.reason}"
    for version in sorted(versions - {release.event.version for release in releases}):
        yield f"No release event names {version}: it is what workers started with."


def _features(row: FeatureRow | None) -> Iterator[str]:
    if row is None:
        yield "The feature log does not hold the click's row (any more)."
        return
    for flag in row.flags:
        yield f"Particular about it: {_FLAGS[flag]}."
    if row.shadow_score is not None:
        yield f"The shadow release scored it {row.shadow_score:g}: {row.shadow_verdict}."
    yield "What the model saw:"
    units = {feature.id: feature.unit for feature in FEATURES}
    for name, value in row.features.items():
        yield f"  {name:<36} {value:>14,.4f}  {units[name]}"
