"""Guardrails on where clicks came from: clicks that never came, and clicks that came more than once."""

from typing import Final

from contracts.verdicts import GuardrailVerdict
from guardrails.limits import Limits
from guardrails.past import Judged, day_name
from guardrails.verdicts import Guardrail, Looked

GAPS: Final = Guardrail(
    "archive_gaps",
    "Source offsets that the archive has no click of",
    "Run `slidr archive verify`, and archive again what Kafka still has; if the records were parked, look into "
    "`slidr dead-letters list`. What is lost for good is left out with --from.",
)
REPEATED: Final = Guardrail(
    "repeated_clicks",
    "Clicks that are the same again",
    "Somebody sends clicks twice, or files were copied into the archive by hand. Find who, remove the copies, and "
    "retrain.",
)
REPEATED_DAY: Final = Guardrail(
    "repeated_day",
    "Clicks that another day has as well",
    "A day was replayed or copied as another one. Remove the copy, and retrain.",
)


def gaps(judged: Judged, limits: Limits) -> GuardrailVerdict:
    """Offsets without a row."""
    sources, most = judged.day.sources, limits.archive_gaps.most_share
    offsets = sources.rows - sources.again + sources.missing
    if not offsets:
        return GAPS.judge([Looked(judged.name, 1.0, most, True, 1.0, f"{judged.name} has no click at all.")], "")
    share = sources.missing / offsets
    sentence = (
        f"{judged.name}: the archive has nothing of {sources.missing:,} of {offsets:,} source offsets ({share:.1%}); "
        f"at most {most:.1%} may be missing."
    )
    return GAPS.judge([Looked(judged.name, share, most, share > most, share, sentence)], "")


def repeated_clicks(judged: Judged, limits: Limits) -> GuardrailVerdict:
    """Clicks that come twice on one day, with the same place in Kafka or another one."""
    sources, most = judged.day.sources, limits.repeated_clicks.most_share
    if not sources.rows:
        return REPEATED.not_judged(f"{judged.name} has no click.")
    share = (sources.again + sources.repeated) / sources.rows
    sentence = (
        f"{judged.name}: of {sources.rows:,} rows {sources.again:,} are of a source offset that another row has, and "
        f"{sources.repeated:,} have the id, or the account and the millisecond, of another click: {share:.1%}; at most "
        f"{most:.1%} may."
    )
    return REPEATED.judge([Looked(judged.name, share, most, share > most, share, sentence)], "")


def repeated_day(judged: Judged, limits: Limits) -> GuardrailVerdict:
    """A day before that has the same clicks, by their ids or by who clicked at which moment of the day."""
    today, most = judged.day.sources, limits.repeated_day.most_share
    looked = []
    for day in judged.before:
        share = max(shared(today.click_ids, day.sources.click_ids), shared(today.moments, day.sources.moments))
        name = day_name(day.day)
        sentence = f"{judged.name} shares {share:.1%} of its clicks with {name}; at most {most:.1%} it may."
        looked.append(Looked(f"{judged.name} = {name}", share, most, share > most, share, sentence))
    return REPEATED_DAY.judge(looked, f"There is no day before {judged.name}.")


def shared(ours: tuple[int, ...], theirs: tuple[int, ...]) -> float:
    """Share of one day's clicks that another day has, of samples of the smallest hashes of each.

    The smallest hashes of both together are a sample of their union, in which those that both have are counted
    (A. Broder, On the resemblance and containment of documents, 1997): J of the union, 2J/(1 + J) of days as long.
    """
    if not ours or not theirs:
        return 0.0
    size = max(len(ours), len(theirs))
    union = sorted({*ours, *theirs})[:size]
    both = len(set(union) & set(ours) & set(theirs)) / len(union)
    return 2 * both / (1 + both)
