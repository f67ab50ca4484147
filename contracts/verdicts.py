"""What guardrails say of a release, and what a release expects to see: kept in its manifest, read by the sentinel."""

from typing import Literal

from msgspec import Struct

Outcome = Literal["passed", "blocked", "not judged"]


class GuardrailVerdict(Struct, frozen=True):
    """One guardrail's judgement. A refusal is a value: `sentence` tells what was measured where and what was allowed.

    `guardrail` is its name in the file of limits, `where` the slice, hour, feature or file at fault (empty: overall).
    `measured` and `limit` share the unit that the guardrail's name tells; None where there is no number, or none could
    be measured ("not judged": `sentence` says why). `remedy` is what to do now.
    """

    guardrail: str
    outcome: Outcome
    sentence: str
    remedy: str = ""
    where: str = ""
    measured: float | None = None
    limit: float | None = None


class Band(Struct, frozen=True):
    """What a share is expected to lie within, `low` to `high`, both in [0, 1]."""

    low: float
    high: float


class SliceBands(Struct, frozen=True):
    """What a release is expected to do to the clicks of one slice.

    `ivr`: share invalidated in each of the 168 hours of the week (UTC, Monday 0:00 first). `coverage`: share
    invalidated of clicks in busy sessions; `fpr`: share invalidated of purchasing clicks; both over a day.
    """

    ivr: tuple[Band, ...]
    coverage: Band
    fpr: Band
