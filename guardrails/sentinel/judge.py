"""From what was counted to verdicts and at most one action.

promote B ──► B decides, A (last stable) is scored beside it ──► after the watch: end A's scoring
                  │ sharp deviation
                  └──► roll back to A, once: what a rollback put in force is never rolled back

event in force      shadow             judged by
promote B           A, last stable     pair (rolls back), FPR (rolls back), bands and coverage (tell)
promote B           none, or another   bands (rolls back), FPR (rolls back), coverage (tells)
rollback, none      whatever           the same; nothing is rolled back
"""

from collections.abc import Iterator
from itertools import chain
from typing import Literal

from msgspec import Struct

from contracts.verdicts import GuardrailVerdict, SliceBands
from guardrails.sentinel.expected import judge_coverage, judge_fpr, judge_ivr
from guardrails.sentinel.limits import SentinelLimits
from guardrails.sentinel.pair import compare
from guardrails.sentinel.state import HOUR_MS, MINUTE_MS, State


class InForce(Struct, frozen=True):
    """The releases as the log has them. `promoted`: a promotion put `active` in force, and may be taken back.

    `offset` is that of the newest event, which an action replaces. `expected`: bands of `active` by slice.
    """

    active: str
    shadow: str | None
    last_stable: str
    promoted: bool
    offset: int
    expected: dict[str, SliceBands] = {}

    @property
    def watched(self) -> bool:
        """Whether the last stable release is scored beside the active one."""
        return self.shadow is not None and self.shadow == self.last_stable


class Action(Struct, frozen=True):
    """What to write to the release log, and why; `version` is empty to end the shadow."""

    action: Literal["rollback", "shadow"]
    version: str
    reason: str


class Judgement(Struct, frozen=True):
    """Verdicts at stream time `at_ms`, and the one action that follows from them, if any."""

    at_ms: int
    active: str
    shadow: str | None
    verdicts: tuple[GuardrailVerdict, ...]
    action: Action | None


def judge(state: State, releases: InForce, limits: SentinelLimits) -> Judgement:
    """Judge the window that ends at the newest click. The same state, releases and limits, the same judgement."""
    active, expected = releases.active, releases.expected
    if active not in state.releases:
        return Judgement(state.newest_ms, active, releases.shadow, (), None)
    feed = _purchases(state, limits)
    paired = releases.watched and state.releases[active].shadow == releases.shadow
    pair = list(compare(state, active, releases.last_stable, limits)) if paired else []
    ivr = list(judge_ivr(state, active, releases.last_stable, expected, limits))
    fpr = list(judge_fpr(state, active, expected, limits)) if feed.outcome == "passed" else []
    coverage = judge_coverage(state, active, expected, limits)
    decisive = chain(pair, [] if releases.watched else ivr, fpr)
    action = _rollback(releases, decisive) or _end_of_watch(state, releases, limits)
    return Judgement(state.newest_ms, active, releases.shadow, (feed, *pair, *ivr, *fpr, *coverage), action)


def _rollback(releases: InForce, verdicts: Iterator[GuardrailVerdict]) -> Action | None:
    blocked = [verdict for verdict in verdicts if verdict.outcome == "blocked"]
    if not blocked or not releases.promoted or releases.last_stable == releases.active:
        return None
    worst = max(blocked, key=lambda verdict: (verdict.measured or 0) - (verdict.limit or 0))
    others = f" {len(blocked) - 1} more verdict(s) say the same." if len(blocked) > 1 else ""
    return Action("rollback", releases.last_stable, f"{worst.guardrail}: {worst.sentence}{others}")


def _end_of_watch(state: State, releases: InForce, limits: SentinelLimits) -> Action | None:
    watched_ms = state.newest_ms - state.releases[releases.active].first_ms
    if not releases.watched or watched_ms < limits.watch_h * HOUR_MS:
        return None
    return Action("shadow", "", f"{releases.active} was watched beside {releases.shadow} for {limits.watch_h:g} h.")


def _purchases(state: State, limits: SentinelLimits) -> GuardrailVerdict:
    """Whether purchases arrive. Without them the FPR is not judged: people would look like robots."""
    silent_min = (state.newest_ms - state.purchase_ms) / MINUTE_MS
    missing = silent_min > limits.purchases_silent_min and state.clicks_since_purchase >= limits.silent_clicks
    return GuardrailVerdict(
        guardrail="purchases_silent_min",
        outcome="blocked" if missing else "passed",
        sentence=f"The newest purchase is {silent_min:,.0f} min older than the newest click, and "
        f"{state.clicks_since_purchase:,} clicks came since; at most {limits.purchases_silent_min:g} min are allowed."
        + (" False positives are not judged until purchases arrive." if missing else ""),
        remedy="See who writes `purchases`." if missing else "",
        measured=silent_min,
        limit=limits.purchases_silent_min,
    )
