"""The active release against the last stable one, on the same clicks.

An attack moves both verdicts; a faulty model only its own. Of the n clicks of a slice in the window that both judged,

    newly        valid by the last stable release, invalid by the active one
    restored     invalid by the last stable release, valid by the active one

    share newly invalid     max(0, newly - restored - valid clicks beyond the usual) / clicks that stable holds valid
    share let through       max(0, restored - newly - invalid ones beyond the usual) / clicks that only the stable one's
                            model holds invalid, and no rule
    share in disagreement   max(0, newly + restored - both beyond the usual) / n

Two sound releases differ on clicks that are hard to tell, about as often either way: that cancels in the first two. A
better release finds an attack that the old one does not see; these are clicks beyond the usual number, and so are
taken off. What is usual are the clicks per second of the last hour in which the stable release decided.

A difference is believed at d/sqrt(newly + restored) standard errors, d being a share's numerator (McNemar, Note on the
sampling error of the difference between correlated proportions or percentages, 1947); those of disagreement, which has
no sign, are sqrt(d).
"""

from collections.abc import Iterator
from math import sqrt
from typing import NamedTuple

from contracts.verdicts import GuardrailVerdict
from guardrails.sentinel.limits import SentinelLimits
from guardrails.sentinel.state import MINUTE_MS, Counts, State

_LEAST_USUAL_S = 60.0


class Difference(NamedTuple):
    """One measure: `flips` verdicts of `of` differ, `beyond` of them beyond what is explained."""

    limit_name: str
    flips: int
    beyond: float
    of: int
    standard_errors: float
    limit: float
    what: str

    @property
    def share(self) -> float:
        """What is judged, from 0 to 1."""
        return self.beyond / self.of if self.of else 0.0


def compare(state: State, active: str, stable: str, limits: SentinelLimits) -> Iterator[GuardrailVerdict]:
    """A verdict for each slice and measure. `stable` must be what `active` is paired with."""
    window, seconds = state.window(active, limits.window_min * MINUTE_MS)
    before, before_s = state.last_hour_of(stable)
    scale = seconds / before_s if before_s >= _LEAST_USUAL_S else None
    for slice_, counts in sorted(window.items()):
        if counts.paired < limits.least_clicks:
            yield _too_few(slice_, counts.paired, limits)
            continue
        usual = before.get(slice_, Counts()) if scale is not None else None
        for difference in _differences(counts, usual, scale or 0.0, limits):
            yield _verdict(difference, counts, slice_, (active, stable), limits)


def _differences(counts: Counts, usual: Counts | None, scale: float, limits: SentinelLimits) -> list[Difference]:
    valid, flips = counts.paired - counts.shadow_invalid, counts.newly + counts.restored
    more_valid = 0.0 if usual is None else max(0.0, valid - scale * (usual.clicks - usual.invalid))
    more_invalid = 0.0 if usual is None else max(0.0, counts.shadow_invalid - scale * usual.invalid)
    newly = max(0.0, counts.newly - counts.restored - more_valid)
    restored = max(0.0, counts.restored - counts.newly - more_invalid)
    either = max(0.0, flips - more_valid - more_invalid)
    root = sqrt(max(1, flips))
    return [
        Difference(
            "newly_invalid",
            counts.newly,
            newly,
            valid,
            newly / root,
            limits.newly_invalid,
            "{active} makes {flips:,} of {of:,} clicks invalid that {stable} holds valid",
        ),
        Difference(
            "let_through",
            counts.restored,
            restored,
            counts.shadow_invalid - counts.ruled,
            restored / root,
            limits.let_through,
            "{active} lets {flips:,} of {of:,} clicks through that the model of {stable} holds invalid",
        ),
        Difference(
            "disagreement",
            flips,
            either,
            counts.paired,
            sqrt(either),
            limits.disagreement,
            "{active} and {stable} differ on {flips:,} of {of:,} clicks",
        ),
    ]


def _verdict(
    found: Difference, counts: Counts, slice_: str, versions: tuple[str, str], limits: SentinelLimits
) -> GuardrailVerdict:
    active, stable = versions
    believed = counts.newly + counts.restored >= limits.least_flips and found.standard_errors >= limits.standard_errors
    too_much = believed and found.share > found.limit
    what = found.what.format(active=active, stable=stable, flips=found.flips, of=found.of)
    sentence = (
        f"{slice_}: {what} ({found.flips / max(1, found.of):.1%}) in {limits.window_min} min; {found.share:.1%} beyond "
        f"chance and a change of traffic, at most {found.limit:.0%} is allowed."
    )
    return GuardrailVerdict(
        guardrail=found.limit_name,
        outcome="blocked" if too_much else "passed",
        sentence=sentence,
        remedy="Only the release can be the cause: both judged the same clicks. Roll back." if too_much else "",
        where=slice_,
        measured=found.share,
        limit=found.limit,
    )


def _too_few(slice_: str, paired: int, limits: SentinelLimits) -> GuardrailVerdict:
    return GuardrailVerdict(
        guardrail="newly_invalid",
        outcome="not judged",
        sentence=f"{slice_}: {paired:,} clicks in {limits.window_min} min; {limits.least_clicks:,} are needed.",
        where=slice_,
    )
