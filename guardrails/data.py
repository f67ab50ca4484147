"""All guardrails on data: a day against those before it, many days, and the hours of the week of all of them."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from contracts.rates import wilson
from contracts.scored import HOURS_OF_WEEK
from contracts.summaries import DaySummary
from contracts.verdicts import GuardrailVerdict
from guardrails import features, labels, slices, sources, volume
from guardrails.limits import Limits
from guardrails.past import Judged, judged
from guardrails.verdicts import Guardrail, Looked, collapsed

DENSITY: Final = Guardrail(
    "human_density",
    "Human share of each hour of the week",
    "Too few people are known in this hour, so that the network would learn that whoever clicks then is a robot. Take "
    "a longer history, and check that purchases of this hour arrive.",
)
_OF_A_DAY: Final[tuple[Callable[[Judged, Limits], GuardrailVerdict], ...]] = (
    volume.volume,
    sources.gaps,
    sources.repeated_clicks,
    sources.repeated_day,
    volume.purchases_feed,
    volume.purchases_repeated,
    labels.label_rate,
    labels.label_conflict,
    slices.slice_share,
    features.drift,
    features.units,
    features.constant,
    features.missing,
)
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def judge_day(day: DaySummary, summaries: Sequence[DaySummary], limits: Limits) -> list[GuardrailVerdict]:
    """A verdict of every guardrail on the day, compared with those of `summaries` that lie before it."""
    at = judged(day, summaries, limits.trailing)
    return [guardrail(at, limits) for guardrail in _OF_A_DAY]


def judge_days(days: Sequence[DaySummary], history: Sequence[DaySummary], limits: Limits) -> list[GuardrailVerdict]:
    """Every day, compared with those before it and with `history`; then the hours of the week of all `days`.

    All verdicts that block; of a guardrail that does not, the last day's that could be judged.
    """
    known = {day.day: day for day in (*history, *days)}
    verdicts = [verdict for day in days for verdict in judge_day(day, list(known.values()), limits)]
    return [human_density(days, limits), *collapsed(verdicts)]


def human_density(days: Sequence[DaySummary], limits: Limits) -> GuardrailVerdict:
    """Human share of the labelled clicks in each of the 168 hours of the local week."""
    labelled, human = (
        np.array(columns, np.int64).reshape(-1, HOURS_OF_WEEK).sum(axis=0).tolist()
        for columns in ([day.week_labelled for day in days], [day.week_human for day in days])
    )
    looked = [_dense(hour, human[hour], labelled[hour], limits) for hour in range(HOURS_OF_WEEK) if labelled[hour]]
    return DENSITY.judge(looked, "There are no labelled clicks.")


def _dense(hour: int, human: int, labelled: int, limits: Limits) -> Looked:
    least, share = limits.human_density.least_share, human / labelled
    name = f"{_WEEKDAYS[hour // 24]} {hour % 24:02d}:00"
    sentence = (
        f"{name} (local): {human:,} of {labelled:,} labelled clicks ({share:.1%}) are human; at least {least:.1%} must "
        "be."
    )
    # A handful of clicks shows nothing.
    beyond = wilson(share, labelled, limits.trailing.standard_errors) < least
    return Looked(name, share, least, beyond, -share, sentence)
