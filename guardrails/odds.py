"""How many of some clicks come on each other one, against what is usual: twice as many count double in any share."""

from collections.abc import Callable, Iterator
from math import inf
from typing import NamedTuple

from contracts.summaries import DaySummary
from guardrails.chance import ruled_out
from guardrails.past import Judged, usual
from guardrails.verdicts import Looked


class Odds(NamedTuple):
    """Some clicks of a day for each other one. `counted` gives how many of how many."""

    what: str
    where: str
    counted: Callable[[DaySummary], tuple[int, int]]

    def looked(self, judged: Judged, times: float, sure: float) -> Iterator[Looked]:
        """The day's odds against those that are usual, times `times` (below 1: at least so many times them)."""
        hits, of = self.counted(judged.day)
        earlier = [self.counted(day) for day in judged.days]
        past = usual([hits / of for hits, of in earlier if of], judged.trailing.least_days)
        if past is None or not of or not 0 < past.median < 1:
            return
        limit = _times_odds(past.median, times)
        down = times < 1
        if down and not ruled_out(0, past.median * of, past.spread * of, sure):
            return  # not even 0 would be too few
        share = hits / of
        found, most = _odds(share) / _odds(past.median), times
        off = share < limit if down else share > limit
        # Where a day has a few of them, the median lies below what is to be expected.
        mean = sum(hits for hits, _ in earlier) / sum(of for _, of in earlier)
        expected = past.median if down else max(past.median, mean)
        beyond = off and ruled_out(hits, expected * of, past.spread * of, sure)
        yield Looked(
            where=f"{judged.name} {self.where}".strip(),
            measured=found,
            limit=most,
            beyond=beyond,
            excess=most / max(found, 1e-9) if down else found / most,
            sentence=f"{judged.name}: {self.what}: {_odds(share):.3g}, {found:.2f} times what is usual "
            f"({_odds(past.median):.3g}); {'at least' if down else 'at most'} {most:g} times it may be.",
        )


def _times_odds(share: float, times: float) -> float:
    odds = times * _odds(share)
    return odds / (1 + odds)


def _odds(share: float) -> float:
    return share / (1 - share) if share < 1 else inf
