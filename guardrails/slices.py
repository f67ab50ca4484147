"""The guardrail on slices: one that vanished, or is counted twice."""

from functools import partial
from typing import Final

from contracts.summaries import DaySummary
from contracts.verdicts import GuardrailVerdict
from guardrails.chance import ruled_out
from guardrails.limits import Limits
from guardrails.odds import Odds
from guardrails.past import Judged
from guardrails.stretches import TOO_EARLY, by_hour
from guardrails.verdicts import Guardrail, Looked

SLICE_SHARE: Final = Guardrail(
    "slice_share",
    "Each slice's clicks and purchasing clicks against earlier days",
    "Look what changed in how clicks name their device and whether they are logged in, or whether a site sent them "
    "twice or not at all. Have it put right, or begin after this day with --from.",
)


def slice_share(judged: Judged, limits: Limits) -> GuardrailVerdict:
    """A slice whose clicks are gone, or in which much more or less is bought than in the others."""
    limit, sure = limits.slice_share, limits.trailing.standard_errors
    looked: list[Looked] = []
    for name in sorted({name for day in (judged.day, *judged.days) for name in day.slices}):
        # People click many times in one visit, which is why their clicks would tell less than what they buy.
        share = Odds(f"Purchasing clicks of {name} for each of the other slices", name, partial(_bought_in, name))
        looked += share.looked(judged, limit.most_times, sure)
        looked += share.looked(judged, limit.least_times, sure)
        looked += _vanished(judged, name, limit.least_clicks)
    return SLICE_SHARE.judge(looked, f"{judged.name}: {TOO_EARLY}")


def _bought_in(name: str, day: DaySummary) -> tuple[int, int]:
    return sum(day.slices[name].purchasing) if name in day.slices else 0, int(by_hour("purchasing", day).sum())


def _vanished(judged: Judged, name: str, least: float) -> list[Looked]:
    """Against the second quietest of the days before: robots of some slices come in swarms, and not on every day."""
    earlier = sorted(_clicks_of(day, name) for day in judged.days)
    if not judged.complete or len(earlier) < max(2, judged.trailing.least_days) or not (quiet := earlier[1]):
        return []
    found = _clicks_of(judged.day, name)
    ratio = found / quiet
    sentence = (
        f"{judged.name}: {found:,} clicks of {name}, {ratio:.2f} times those of the second quietest of {len(earlier)} "
        f"days before ({quiet:,}); at least {least:g} times it must be."
    )
    beyond = ratio < least and ruled_out(found, quiet, 0, judged.trailing.standard_errors)
    return [Looked(f"{judged.name} {name}", ratio, least, beyond, least / max(ratio, 1e-9), sentence)]


def _clicks_of(day: DaySummary, name: str) -> int:
    return sum(day.slices[name].clicks) if name in day.slices else 0
