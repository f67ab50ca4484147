"""Guardrails on how much came: clicks, purchases, labels, slices."""

from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from contracts.summaries import HOURS, DaySummary
from contracts.verdicts import GuardrailVerdict
from guardrails.chance import ruled_out
from guardrails.limits import Limits
from guardrails.odds import Odds
from guardrails.past import Judged, Stretch
from guardrails.verdicts import Guardrail, Looked

VOLUME: Final = Guardrail(
    "volume",
    "Clicks against the same hours of earlier weeks",
    "Look whether clicks were lost or came twice: the dead letters, `slidr archive verify`, the workers' status. "
    "Archive what is missing, or begin after this day with --from.",
)
PURCHASES_FEED: Final = Guardrail(
    "purchases_feed",
    "Purchases against the same hours of earlier weeks",
    "Purchases are missing, so clicks of people who bought are labelled robots'. Let the shop send them again, archive "
    "them and retrain.",
)
PURCHASES_REPEATED: Final = Guardrail(
    "purchases_repeated",
    "Purchases that had been reported before",
    "The purchases feed says the same again and again. Have its sender restarted, let it send what is missing, and "
    "retrain.",
)
LABEL_RATE: Final = Guardrail(
    "label_rate",
    "Human clicks against earlier days",
    "Labels are wrong way round, or purchases are missing or counted twice. Compare the purchases of this day with the "
    "shop's own figures, and retrain.",
)
SLICE_SHARE: Final = Guardrail(
    "slice_share",
    "Each slice's clicks and purchasing clicks against earlier days",
    "Look what changed in how clicks name their device and whether they are logged in, or whether a site sent them "
    "twice or not at all. Have it put right, or begin after this day with --from.",
)
_TOO_EARLY: Final = "There are not enough whole weeks before it, or too few clicks."
_PURCHASES_TO_JUDGE: Final = 20


def clicks(day: DaySummary) -> npt.NDArray[np.int64]:
    """Of all slices, by hour, (24,)."""
    return _sum(day, "clicks")


def human(day: DaySummary) -> npt.NDArray[np.int64]:
    """Human clicks of all slices, by hour, (24,)."""
    return _sum(day, "human")


def volume(judged: Judged, limits: Limits) -> GuardrailVerdict:
    """Too few clicks in some hours or in 24, or far too many in 24."""
    limit, sure = limits.volume, limits.trailing.standard_errors
    looked: list[Looked] = []
    for stretch in judged.stretches(limit.hours, clicks, lambda day: day.whole):
        looked += _too_few(judged, stretch, "clicks", limit.least_share, sure)
    for stretch in judged.stretches([HOURS], clicks, lambda day: day.whole):
        looked += _too_few(judged, stretch, "clicks", limit.least_share_of_day, sure)
        looked += _too_many(judged, stretch, "clicks", limit.most_times_of_day, sure)
    return VOLUME.judge(looked, f"{judged.name}: {_TOO_EARLY}")


def purchases_feed(judged: Judged, limits: Limits) -> GuardrailVerdict:
    """Purchases missing for hours."""
    limit, sure = limits.purchases_feed, limits.trailing.standard_errors
    stretches = judged.stretches(limit.hours, lambda day: np.array(day.purchases), lambda day: day.whole)
    looked = [
        found for stretch in stretches for found in _too_few(judged, stretch, "purchases", limit.least_share, sure)
    ]
    return PURCHASES_FEED.judge(looked, f"{judged.name}: {_TOO_EARLY}")


def purchases_repeated(judged: Judged, limits: Limits) -> GuardrailVerdict:
    """The same purchases again and again."""
    again, new = sum(judged.day.purchases_again), sum(judged.day.purchases)
    if again + new < _PURCHASES_TO_JUDGE:
        return PURCHASES_REPEATED.not_judged(f"{judged.name} has only {again + new} purchases.")
    share, most = again / (again + new), limits.purchases_repeated.most_share
    sentence = (
        f"{judged.name}: {again:,} of {again + new:,} purchases ({share:.1%}) had been reported before; at most "
        f"{most:.1%} may be."
    )
    return PURCHASES_REPEATED.judge([Looked(judged.name, share, most, share > most, share, sentence)], "")


def label_rate(judged: Judged, limits: Limits) -> GuardrailVerdict:
    """Human clicks of the day, and how many there are for each other click."""
    limit, sure = limits.label_rate, limits.trailing.standard_errors
    share = Odds("Human clicks for each other click", "", _of_labelled)
    looked = list(share.looked(judged, limit.most_times, sure))
    for stretch in judged.stretches([HOURS], human, lambda day: day.labelled):
        looked += _too_few(judged, stretch, "human clicks", limit.least_share, sure)
        looked += _too_many(judged, stretch, "human clicks", limit.most_human_times, sure)
    return LABEL_RATE.judge(looked, f"{judged.name}: {_TOO_EARLY}")


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
    return SLICE_SHARE.judge(looked, f"{judged.name}: {_TOO_EARLY}")


def _bought_in(name: str, day: DaySummary) -> tuple[int, int]:
    return sum(day.slices[name].purchasing) if name in day.slices else 0, int(_sum(day, "purchasing").sum())


def _vanished(judged: Judged, name: str, least: float) -> list[Looked]:
    """Against the second quietest of the days before: robots of some slices come in swarms, and not on every day."""
    earlier = sorted(_clicks_of(day, name) for day in judged.days)
    if not judged.complete or len(earlier) < judged.trailing.least_days or not earlier[1]:
        return []
    found = _clicks_of(judged.day, name)
    sentence = (
        f"{judged.name}: {found:,} clicks of {name}, {found / earlier[1]:.2f} times those of the second quietest of "
        f"{len(earlier)} days before ({earlier[1]:,}); at least {least:g} times it must be."
    )
    ratio = found / earlier[1]
    beyond = ratio < least and ruled_out(found, earlier[1], 0, judged.trailing.standard_errors)
    return [Looked(f"{judged.name} {name}", ratio, least, beyond, least / max(ratio, 1e-9), sentence)]


def _clicks_of(day: DaySummary, name: str) -> int:
    return sum(day.slices[name].clicks) if name in day.slices else 0


def _of_labelled(day: DaySummary) -> tuple[int, int]:
    return int(human(day).sum()), int(_sum(day, "labelled").sum())


def _too_few(judged: Judged, stretch: Stretch, what: str, least: float, sure: float) -> list[Looked]:
    past = stretch.usual
    if not ruled_out(0, past.median, past.spread, sure):
        return []  # not even 0 would be too few
    ratio = stretch.found / past.median
    beyond = ratio < least and ruled_out(stretch.found, past.median, past.spread, sure)
    sentence = f"{_told(judged, stretch, what)}; at least {least:g} times it must be."
    return [Looked(_where(judged, stretch), ratio, least, beyond, least / max(ratio, 1e-9), sentence)]


def _too_many(judged: Judged, stretch: Stretch, what: str, most: float, sure: float) -> list[Looked]:
    past = stretch.usual
    if not past.median:
        return []
    ratio = stretch.found / past.median
    beyond = ratio > most and ruled_out(stretch.found, past.median, past.spread, sure)
    sentence = f"{_told(judged, stretch, what)}; at most {most:g} times it may be."
    return [Looked(_where(judged, stretch), ratio, most, beyond, ratio / most, sentence)]


def _where(judged: Judged, stretch: Stretch) -> str:
    return f"{judged.name} up to {stretch.end_hour:02d}:00, {stretch.hours} h"


def _told(judged: Judged, stretch: Stretch, what: str) -> str:
    return (
        f"In the {stretch.hours} h up to {judged.name} {stretch.end_hour:02d}:00 UTC there were {stretch.found:,.0f} "
        f"{what}, {stretch.found / stretch.usual.median:.2f} times the {stretch.usual.median:,.0f} that are usual"
    )


def _sum(day: DaySummary, column: str) -> npt.NDArray[np.int64]:
    total: npt.NDArray[np.int64] = np.zeros(HOURS, np.int64)
    for counts in day.slices.values():
        total += np.array(getattr(counts, column))
    return total
