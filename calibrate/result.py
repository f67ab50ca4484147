"""What calibration found: goes into `calibration.json`, beside the thresholds that a worker reads there."""

from msgspec import Struct

from calibrate.curves import Fit
from calibrate.goals import Goals
from contracts.rates import Rate, rate


class Share(Struct, frozen=True):
    """A share of counted clicks with its 95 % interval (Wilson); `value` is None if there were none to count."""

    value: float | None
    low: float
    high: float
    hits: int
    of: int


def share(hits: int, of: int) -> Share:
    """hits of `of` clicks."""
    found: Rate = rate(hits, of)
    return Share(found.value if of else None, found.low, found.high, hits, of)


class Achieved(Struct, frozen=True):
    """What thresholds do to counted clicks. `fpr_upper`: one-sided bound of the FPR."""

    fpr: Share
    fpr_upper: float
    ivr: Share
    coverage: Share


class SliceChoice(Struct, frozen=True):
    """How one slice's threshold came about.

    `lowest_fpr` and `highest_fpr` bound what the program could choose (floor and cap), `chosen_fpr` is what it
    chose and `predicted_fpr` what the threshold's step gives of it: FPRs as calibration counts them, leaning on the
    parent.
    `counted` is what really happened to the slice's own clicks. `note` tells what was done in an odd case.
    """

    threshold: float
    fit: Fit
    lowest_fpr: float
    highest_fpr: float
    chosen_fpr: float
    predicted_fpr: float
    predicted_ivr: float
    coverage_floor: float
    thin: bool
    counted: Achieved
    note: str = ""


class Baseline(Struct, frozen=True):
    """Other thresholds at the same overall FPR on the calibration's clicks."""

    thresholds: dict[str, float]
    counted: Achieved


class Remeasured(Struct, frozen=True):
    """Thresholds on clicks that set none of them, clicked from `from_ms` up to before `to_ms`."""

    from_ms: int
    to_ms: int
    overall: Achieved
    slices: dict[str, Achieved]
    within_budget: bool
    baselines: dict[str, Achieved]


class Calibrated(Struct, frozen=True):
    """Thresholds of all slices and everything that explains them.

    `spendable_fpr` is what the program could spend so that `predicted_upper`, the bound of the overall FPR for the
    horizon that follows, stays within the budget; `price` the combined IVR that one unit more of it would give; None if
    there was nothing to spend.
    """

    thresholds: dict[str, float]
    goals: Goals
    from_ms: int
    to_ms: int
    spendable_fpr: float
    price: float | None
    predicted_upper: float
    overall: Achieved
    slices: dict[str, SliceChoice]
    baselines: dict[str, Baseline]
    held_out: Remeasured | None = None
    format: int = 1
