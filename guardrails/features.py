"""Guardrails on the values of features: drift, other units, one value for all, none at all. Of human clicks only.

Population stability index of today's shares a and the usual shares e of some groups of values:

    PSI = sum over groups of (a - e) ln(a / e)

Groups are tenths of the usual values, as far as bins can be parted. Source: S. Yurdakul, Statistical properties of the
population stability index, 2018; chance alone gives (groups - 1)(1/n + 1/m) on average of n and m clicks.
"""

from collections.abc import Callable, Iterator
from math import sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from contracts.features import FEATURES
from contracts.summaries import BIN_EDGES, BINS, FIRST_POSITIVE_BIN, DaySummary
from contracts.verdicts import GuardrailVerdict
from guardrails.limits import Limits
from guardrails.past import Judged
from guardrails.verdicts import Guardrail, Looked

_PUT_RIGHT: Final = (
    "Look what changed in the counters, in the clicks that feed them or in the table of features. Leave the day out "
    "(--from), or, if the new values are the right ones, publish with an override and tell why."
)
DRIFT: Final = Guardrail("feature_drift", "Features of human clicks against the days before", _PUT_RIGHT)
UNITS: Final = Guardrail(
    "feature_units",
    "Units of features against the days before",
    "Values changed by one factor, as if milliseconds were seconds. Have the sender or the counter put right.",
)
CONSTANT: Final = Guardrail(
    "feature_constant",
    "Features that have one value for all",
    "A feature is stuck: its counter or the field of the click that feeds it is gone. Have it put right.",
)
MISSING: Final = Guardrail("feature_missing", "Features without a value", _PUT_RIGHT)

Floats = npt.NDArray[np.float64]
Look = Callable[[Judged, str, Floats, Floats, Limits], Iterator[Looked]]

_OF_THE_WEEKDAY: Final = frozenset(feature.id for feature in FEATURES if feature.of == "weekday")
_OF_ADDRESSES: Final = frozenset(feature.id for feature in FEATURES if feature.entity in ("ip", "ip_ua"))
_LEAST_CLICKS: Final = 200
_GROUPS: Final = 10
# People click several times, some of them a hundred times: so many clicks tell as much as one independent click.
_CLICKS_OF_A_VISITOR: Final = 10
_HALF: Final = 0.5
_QUARTILES: Final = (0.25, 0.5, 0.75)


def psi(found: Floats, expected: Floats) -> float:
    """Population stability index of counts (BINS,) against usual counts (BINS,)."""
    a, e = (_shares(counts, _groups(expected)) for counts in (found, expected))
    return float(((a - e) * np.log(a / e)).sum())


def drift(judged: Judged, limits: Limits) -> GuardrailVerdict:
    """Other values than usual."""
    return _each(DRIFT, _drifted, judged, limits)


def units(judged: Judged, limits: Limits) -> GuardrailVerdict:
    """All quartiles moved by a large factor."""
    return _each(UNITS, _scaled, judged, limits)


def constant(judged: Judged, limits: Limits) -> GuardrailVerdict:
    """One value where there usually are several."""
    return _each(CONSTANT, _stuck, judged, limits)


def missing(judged: Judged, limits: Limits) -> GuardrailVerdict:
    """Clicks whose feature is no finite number."""
    labelled = sum(sum(counts.labelled) for counts in judged.day.slices.values())
    most = limits.feature_missing.most_share
    looked = []
    for name, feature in judged.day.features.items() if labelled else ():
        share = feature.missing / labelled
        sentence = (
            f"{judged.name}: {feature.missing:,} of {labelled:,} clicks ({share:.2%}) have no finite {name}; at most "
            f"{most:.2%} may have none."
        )
        looked.append(Looked(f"{judged.name} {name}", share, most, share > most, share, sentence))
    return MISSING.judge(looked, f"{judged.name} has no labelled clicks.")


def _each(guardrail: Guardrail, look: Look, judged: Judged, limits: Limits) -> GuardrailVerdict:
    """Every feature of which there are enough human clicks, on this day and before it."""
    if not judged.complete:
        return guardrail.not_judged(f"Only {sum(judged.day.whole)} hours of {judged.name} are known.")
    if len(judged.days) < limits.trailing.least_days:
        return guardrail.not_judged(f"There are {len(judged.days)} whole days before {judged.name}.")
    looked: list[Looked] = []
    for name, feature in judged.day.features.items():
        found, expected = np.array(feature.human, np.float64), _usual(_comparable(judged, name), name)
        if min(found.sum(), expected.sum()) >= _LEAST_CLICKS:
            looked += look(judged, name, found, expected, limits)
    return guardrail.judge(looked, f"{judged.name} has fewer than {_LEAST_CLICKS} human clicks, or the days before.")


def _comparable(judged: Judged, name: str) -> list[DaySummary]:
    """Every Monday has the same day of the week, and no other day."""
    return [day for day in judged.days if name not in _OF_THE_WEEKDAY or (judged.day.day - day.day) % 7 == 0]


def _usual(days: list[DaySummary], name: str) -> Floats:
    columns = [day.features[name].human for day in days if name in day.features]
    total: Floats = np.array(columns, np.float64).reshape(-1, BINS).sum(axis=0)
    return total


def _drifted(judged: Judged, name: str, found: Floats, expected: Floats, limits: Limits) -> Iterator[Looked]:
    limit, index = limits.feature_drift, psi(found, expected)
    allowed = limit.most_psi_of_addresses if name in _OF_ADDRESSES else limit.most_psi
    most = float(allowed + _CLICKS_OF_A_VISITOR * (_GROUPS - 1) * (1 / found.sum() + 1 / expected.sum()))
    sentence = (
        f"{judged.name}: {name} of human clicks differs from the days before by a PSI of {index:.2f}; at most "
        f"{most:.2f} it may."
    )
    yield Looked(f"{judged.name} {name}", index, most, index > most, index / most, sentence)


def _scaled(judged: Judged, name: str, found: Floats, expected: Floats, limits: Limits) -> Iterator[Looked]:
    positive = slice(FIRST_POSITIVE_BIN, BINS)
    if min(found[positive].sum(), expected[positive].sum()) < _LEAST_CLICKS:
        return
    moved = np.log2(_quartiles(found[positive]) / _quartiles(expected[positive]))
    # The quartile that moved least, in the direction of all of them.
    least = float(np.sign(moved[0]) * np.abs(moved).min()) if len(set(np.sign(moved))) == 1 else 0.0
    most, times = limits.feature_units.most_times, 2.0**least
    sentence = (
        f"{judged.name}: all quartiles of {name} are at least {times:.3g} times those of the days before, as if its "
        f"units had changed; {1 / most:g} to {most:g} times is allowed."
        if times >= 1
        else f"{judged.name}: all quartiles of {name} are at most {times:.3g} times those of the days before, as if "
        f"its units had changed; {1 / most:g} to {most:g} times is allowed."
    )
    factor = 2.0 ** abs(least)
    yield Looked(f"{judged.name} {name}", times, most, factor >= most, factor / most, sentence)


def _stuck(judged: Judged, name: str, found: Floats, expected: Floats, limits: Limits) -> Iterator[Looked]:
    n, top = found.sum(), int(found.argmax())
    share, before = found[top] / n, expected.max() / expected.sum()
    most = limits.feature_constant.most_share
    # Other values are usual, and chance does not explain that they are gone.
    others = n * (1 - before)
    chance = limits.trailing.standard_errors * sqrt(others)
    if others <= chance:
        return  # not even none of them would be too few
    gone = others - n * (1 - share) > chance
    sentence = (
        f"{judged.name}: {share:.1%} of human clicks have about the same {name} ({_value(top)}), of the days before "
        f"{before:.1%}; at most {most:.1%} may."
    )
    yield Looked(f"{judged.name} {name}", float(share), most, bool(share > most and gone), float(share), sentence)


def _value(place: int) -> str:
    return f"{BIN_EDGES[place - 1]:.3g}" if place else f"below {BIN_EDGES[0]:g}"


def _groups(expected: Floats) -> npt.NDArray[np.intp]:
    """Group of each bin, (BINS,): as many bins as make a tenth of the usual clicks."""
    below = np.cumsum(expected) - expected / 2
    tenths = np.minimum(below / expected.sum() * _GROUPS, _GROUPS - 1).astype(np.intp)
    return np.unique(tenths, return_inverse=True)[1]


def _shares(counts: Floats, groups: npt.NDArray[np.intp]) -> Floats:
    """Share of each group; half a click more in each, so that none is 0."""
    grouped = np.bincount(groups, counts) + _HALF
    shares: Floats = grouped / grouped.sum()
    return shares


def _quartiles(counts: Floats) -> Floats:
    """Values, by where the bins begin, below which a quarter, half and three quarters of the clicks lie, (3,)."""
    edges = np.array(BIN_EDGES[FIRST_POSITIVE_BIN - 1 :])
    share = np.cumsum(counts) / counts.sum()
    return edges[np.searchsorted(share, _QUARTILES)]
