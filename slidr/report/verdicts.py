"""What guardrails said, as a section at the top of a candidate's report. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final
from xml.etree.ElementTree import Element, tostring

from contracts.errors import Misconfigured
from contracts.verdicts import GuardrailVerdict, Outcome
from slidr.picture.markup import Child, node
from slidr.report.tables import table

_HEADLINE_END: Final = "</h1>"
_ORDER: Final[tuple[Outcome, ...]] = ("blocked", "not judged", "passed")


def with_verdicts(page: str, verdicts: Sequence[GuardrailVerdict], override: str | None) -> str:
    """The page with the verdicts below its headline, those that block first.

    Raises Misconfigured for a page without a headline.
    """
    before, headline_end, after = page.partition(_HEADLINE_END)
    if not headline_end:
        raise Misconfigured("The candidate's report has no headline. Make the candidate again: `slidr retrain`.")
    section = "".join(tostring(element, encoding="unicode") for element in _section(verdicts, override))
    return f"{before}{headline_end}{section}{after}"


def _section(verdicts: Sequence[GuardrailVerdict], override: str | None) -> Iterable[Element]:
    counts = {outcome: sum(verdict.outcome == outcome for verdict in verdicts) for outcome in _ORDER}
    yield node("h2", "Guardrails")
    yield node("p", ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count) + ".", class_="soft")
    if override is not None:
        yield node("p", node("b", "Published all the same: "), override)
    rows = sorted(verdicts, key=lambda verdict: _ORDER.index(verdict.outcome))
    titles = ("guardrail", "", "where", "what was found", "measured", "limit")
    yield node("div", table(titles, map(_row, rows), words=4), class_="scroll")


def _row(verdict: GuardrailVerdict) -> list[Child]:
    outcome: Child = node("b", verdict.outcome) if verdict.outcome == "blocked" else verdict.outcome
    found = node("div", verdict.sentence, node("div", verdict.remedy, class_="soft"))
    numbers = ["-" if value is None else f"{value:.4g}" for value in (verdict.measured, verdict.limit)]
    return [verdict.guardrail, outcome, verdict.where or "-", found, *numbers]
