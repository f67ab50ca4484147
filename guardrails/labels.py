"""Guardrails on labels: how many clicks are human, and whether labels contradict themselves."""

from functools import partial
from typing import Final

from contracts.summaries import HOURS, DaySummary
from contracts.verdicts import GuardrailVerdict
from guardrails.limits import Limits
from guardrails.odds import Odds
from guardrails.past import Judged
from guardrails.stretches import TOO_EARLY, by_hour, too_few, too_many
from guardrails.verdicts import Guardrail, Looked

LABEL_RATE: Final = Guardrail(
    "label_rate",
    "Human clicks against earlier days",
    "Labels are wrong way round, or purchases are missing or counted twice. Compare the purchases of this day with the "
    "shop's own figures, and retrain.",
)
LABEL_CONFLICT: Final = Guardrail(
    "label_conflict",
    "Purchasing clicks that are not labelled human",
    "Labels contradict themselves: they were changed after they were made. Make the candidate again in a new folder.",
)


def label_rate(judged: Judged, limits: Limits) -> GuardrailVerdict:
    """Human clicks of the day, and how many of them and of purchasing ones there are for each other click."""
    limit, sure = limits.label_rate, limits.trailing.standard_errors
    of_human = Odds("Human clicks for each other click", "", partial(_of_labelled, "human"))
    of_purchasing = Odds("Purchasing clicks for each other click", "", partial(_of_labelled, "purchasing"))
    looked = [
        *of_human.looked(judged, limit.most_times, sure),
        *of_purchasing.looked(judged, limit.most_purchasing_times, sure),
    ]
    for stretch in judged.stretches([HOURS], partial(by_hour, "human"), lambda day: day.labelled):
        looked += too_few(judged, stretch, "human clicks", limit.least_share, sure)
        looked += too_many(judged, stretch, "human clicks", limit.most_human_times, sure)
    return LABEL_RATE.judge(looked, f"{judged.name}: {TOO_EARLY}")


def label_conflict(judged: Judged, limits: Limits) -> GuardrailVerdict:
    """Purchasing clicks that are not labelled human."""
    purchasing, most = int(by_hour("purchasing", judged.day).sum()), limits.label_conflict.most_share
    if not purchasing:
        return LABEL_CONFLICT.not_judged(f"{judged.name} has no purchasing click.")
    share = judged.day.not_human / purchasing
    sentence = (
        f"{judged.name}: {judged.day.not_human:,} of {purchasing:,} purchasing clicks ({share:.1%}) are not labelled "
        f"human; at most {most:.1%} may be."
    )
    return LABEL_CONFLICT.judge([Looked(judged.name, share, most, share > most, share, sentence)], "")


def _of_labelled(column: str, day: DaySummary) -> tuple[int, int]:
    return int(by_hour(column, day).sum()), int(by_hour("labelled", day).sum())
