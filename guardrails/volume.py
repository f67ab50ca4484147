"""Guardrails on how much came: clicks and purchases."""

from functools import partial
from typing import Final

import numpy as np

from contracts.summaries import HOURS
from contracts.verdicts import GuardrailVerdict
from guardrails.limits import Limits
from guardrails.past import Judged
from guardrails.stretches import TOO_EARLY, by_hour, too_few, too_many
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
_PURCHASES_TO_JUDGE: Final = 20


def volume(judged: Judged, limits: Limits) -> GuardrailVerdict:
    """Too few clicks in some hours or in 24, or far too many in 24."""
    limit, sure = limits.volume, limits.trailing.standard_errors
    looked: list[Looked] = []
    for stretch in judged.stretches(limit.hours, partial(by_hour, "clicks"), lambda day: day.whole):
        looked += too_few(judged, stretch, "clicks", limit.least_share, sure)
    for stretch in judged.stretches([HOURS], partial(by_hour, "clicks"), lambda day: day.whole):
        looked += too_few(judged, stretch, "clicks", limit.least_share_of_day, sure)
        looked += too_many(judged, stretch, "clicks", limit.most_times_of_day, sure)
    return VOLUME.judge(looked, f"{judged.name}: {TOO_EARLY}")


def purchases_feed(judged: Judged, limits: Limits) -> GuardrailVerdict:
    """Purchases missing for hours."""
    limit, sure = limits.purchases_feed, limits.trailing.standard_errors
    stretches = judged.stretches(limit.hours, lambda day: np.array(day.purchases), lambda day: day.whole)
    looked = [
        found for stretch in stretches for found in too_few(judged, stretch, "purchases", limit.least_share, sure)
    ]
    return PURCHASES_FEED.judge(looked, f"{judged.name}: {TOO_EARLY}")


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
