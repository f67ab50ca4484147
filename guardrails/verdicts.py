"""How guardrails speak: several places looked at, one verdict, about the worst of them."""

from collections.abc import Iterable
from typing import NamedTuple

from contracts.verdicts import GuardrailVerdict


class Looked(NamedTuple):
    """What was found at one place. `beyond`: over the limit, chance ruled out. `excess` orders places, worst greatest.

    `sentence` tells what was measured where and what is usual.
    """

    where: str
    measured: float
    limit: float
    beyond: bool
    excess: float
    sentence: str


class Guardrail(NamedTuple):
    """Its name in the file of limits, what it is about, and what to do when it blocks."""

    name: str
    about: str
    remedy: str

    def judge(self, looked: Iterable[Looked], why_not: str) -> GuardrailVerdict:
        """About the worst place, one beyond its limit if any is; `why_not`: why there was nothing to look at."""
        places = list(looked)
        if not places:
            return self.not_judged(why_not)
        worst = max(places, key=lambda place: (place.beyond, place.excess))
        return self._blocked(worst, sum(p.beyond for p in places)) if worst.beyond else self._passed(worst, len(places))

    def not_judged(self, why: str) -> GuardrailVerdict:
        """There was nothing to judge by."""
        return GuardrailVerdict(self.name, "not judged", f"{self.about}: not judged. {why}")

    def _blocked(self, worst: Looked, places: int) -> GuardrailVerdict:
        more = f" So it is at {places} places; this is the worst." if places > 1 else ""
        return GuardrailVerdict(
            guardrail=self.name,
            outcome="blocked",
            sentence=f"{worst.sentence}{more}",
            remedy=self.remedy,
            where=worst.where,
            measured=worst.measured,
            limit=worst.limit,
        )

    def _passed(self, worst: Looked, places: int) -> GuardrailVerdict:
        most = f" Of {places} places, this is nearest to the limit." if places > 1 else ""
        return GuardrailVerdict(
            guardrail=self.name,
            outcome="passed",
            sentence=f"{worst.sentence}{most}",
            where=worst.where,
            measured=worst.measured,
            limit=worst.limit,
        )


def collapsed(verdicts: Iterable[GuardrailVerdict]) -> list[GuardrailVerdict]:
    """Verdicts of many days: all that block and, of a guardrail that never does, the last that could be judged."""
    by_name: dict[str, list[GuardrailVerdict]] = {}
    for verdict in verdicts:
        by_name.setdefault(verdict.guardrail, []).append(verdict)
    return [kept for found in by_name.values() for kept in _kept(found)]


def _kept(found: list[GuardrailVerdict]) -> list[GuardrailVerdict]:
    for outcome in ("blocked", "passed"):
        if chosen := [verdict for verdict in found if verdict.outcome == outcome]:
            return chosen if outcome == "blocked" else chosen[-1:]
    return found[-1:]
