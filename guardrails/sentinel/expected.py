"""The active release against what it is expected to do: the bands of its manifest.

An attack raises the IVR too, so only what it cannot explain counts. Of n clicks in the window, of which `invalid`, with
`usual` clicks expected at that hour, the n - usual that are more may all be robots:

    share invalid without them    (invalid - more) / (n - more),    more = max(0, n - usual)
    least invalid expected        low x min(n, usual), since the ones that are more may all be people

`usual` is what came in the same hour a week and a day ago, the smaller of the two; after a promotion, without these,
the rate of the hour before. Where neither is known the IVR is not judged.
"""

from collections.abc import Iterator, Mapping, Sequence

from contracts.rates import wilson
from contracts.verdicts import Band, GuardrailVerdict, SliceBands
from guardrails.sentinel.limits import SentinelLimits
from guardrails.sentinel.state import HOUR_MS, MINUTE_MS, Counts, State, Tail

Expected = Mapping[str, SliceBands]
_WEEK_H = 168
_MONDAY_H = 96  # the first Monday of 1970 began 96 hours after its start
# One-sided 1 in 30,000: a figure is judged every few seconds, in each slice.
_Z = 4.0


def judge_ivr(
    state: State, active: str, before: str, expected: Expected, limits: SentinelLimits
) -> Iterator[GuardrailVerdict]:
    """A verdict for each slice that had clicks in the window; `before` is the release that was active before."""
    window, seconds = state.window(active, limits.window_min * MINUTE_MS)
    for slice_, counts in sorted(window.items()):
        bands = expected.get(slice_)
        usual_per_s = _usual_per_s(state, slice_, active, before, limits)
        if bands is None or usual_per_s is None or counts.clicks < limits.least_clicks:
            yield _not_judged(slice_, counts, bands, limits)
        else:
            yield _ivr_verdict(slice_, counts, usual_per_s * seconds, _band(bands.ivr, state.newest_ms, limits), limits)


def judge_coverage(state: State, active: str, expected: Expected, limits: SentinelLimits) -> Iterator[GuardrailVerdict]:
    """A verdict for each slice with enough clicks of busy sessions in a day. An attack may move it: it only tells."""
    for slice_, tail in _day(state, active, 0).items():
        if tail.busy >= limits.least_clicks and slice_ in expected:
            low = limits.coverage_fallen_to * expected[slice_].coverage.low
            highest = wilson(tail.busy_invalid / tail.busy, tail.busy, _Z)
            yield GuardrailVerdict(
                guardrail="coverage_fallen_to",
                outcome="blocked" if highest < low else "passed",
                sentence=f"{slice_}: {tail.busy_invalid / tail.busy:.1%} of {tail.busy:,} clicks in busy sessions are "
                f"invalid; at least {low:.1%} was expected.",
                remedy="Robots of a new kind, or a feature that stands still: look at `slidr audit` of some of them."
                if highest < low
                else "",
                where=slice_,
                measured=tail.busy_invalid / tail.busy,
                limit=low,
            )


def judge_fpr(state: State, active: str, expected: Expected, limits: SentinelLimits) -> Iterator[GuardrailVerdict]:
    """A verdict for each slice with enough matured purchasing clicks in a day."""
    for slice_, tail in _day(state, active, limits.maturity_h * HOUR_MS).items():
        if tail.purchasing >= limits.least_purchasing and slice_ in expected:
            measured, limit = tail.purchasing_invalid / tail.purchasing, expected[slice_].fpr.high + limits.fpr_above
            too_many = wilson(measured, tail.purchasing, -_Z) > limit
            yield GuardrailVerdict(
                guardrail="fpr_above",
                outcome="blocked" if too_many else "passed",
                sentence=f"{slice_}: {measured:.1%} of {tail.purchasing:,} clicks that led to a purchase were "
                f"invalidated; at most {limit:.1%} was expected.",
                remedy="People are invalidated, and robots do not buy: roll back." if too_many else "",
                where=slice_,
                measured=measured,
                limit=limit,
            )


def _day(state: State, active: str, age_ms: float) -> dict[str, Tail]:
    until_ms = state.newest_ms - round(age_ms)
    return dict(sorted(state.tails(active, until_ms - 24 * HOUR_MS, until_ms).items()))


def _ivr_verdict(slice_: str, counts: Counts, usual: float, band: Band, limits: SentinelLimits) -> GuardrailVerdict:
    more = max(0.0, counts.clicks - usual)
    left = max(1.0, counts.clicks - more)
    share = min(1.0, max(0.0, counts.invalid - more) / left)
    high, least = min(1.0, band.high + limits.ivr_above), limits.ivr_fallen_to * band.low
    above = wilson(share, left, -_Z) > high
    fallen = wilson(min(1.0, counts.invalid / left), left, _Z) < least
    sentence = (
        f"{slice_}: {counts.invalid / counts.clicks:.1%} of {counts.clicks:,} clicks in {limits.window_min} min are "
        f"invalid, {share:.1%} without the {more:,.0f} that are more than usual at this hour; from {least:.1%} to "
        f"{high:.1%} is allowed."
    )
    return GuardrailVerdict(
        guardrail="ivr_above" if not fallen else "ivr_fallen_to",
        outcome="blocked" if above or fallen else "passed",
        sentence=sentence,
        remedy="If the last stable release does the same, look for a feature that stands still."
        if above or fallen
        else "",
        where=slice_,
        measured=share,
        limit=least if fallen else high,
    )


def _band(bands: Sequence[Band], newest_ms: int, limits: SentinelLimits) -> Band:
    """Whatever any hour of the window allows."""
    hours = {at // HOUR_MS for at in (newest_ms - limits.window_min * MINUTE_MS, newest_ms)}
    touched = [bands[(hour - _MONDAY_H) % _WEEK_H] for hour in hours]
    return Band(min(band.low for band in touched), max(band.high for band in touched))


def _usual_per_s(state: State, slice_: str, active: str, before: str, limits: SentinelLimits) -> float | None:
    hour = state.newest_ms // HOUR_MS
    known = [state.volumes[ago].get(slice_, 0) / 3600 for ago in (hour - 24, hour - _WEEK_H) if ago in state.volumes]
    if known:
        return min(known)
    counts, seconds = state.last_hour_of(before)
    recent = state.newest_ms - state.releases[active].first_ms <= limits.watch_h * HOUR_MS
    if seconds >= 60 and recent and before != active:
        return counts.get(slice_, Counts()).clicks / seconds
    return None


def _not_judged(slice_: str, counts: Counts, bands: SliceBands | None, limits: SentinelLimits) -> GuardrailVerdict:
    if bands is None:
        why = "the release says nothing of what is expected"
    elif counts.clicks < limits.least_clicks:
        why = f"{counts.clicks:,} clicks in {limits.window_min} min; at least {limits.least_clicks:,} are needed"
    else:
        why = "it is not known how many clicks are usual at this hour"
    return GuardrailVerdict(guardrail="ivr_above", outcome="not judged", sentence=f"{slice_}: {why}.", where=slice_)
