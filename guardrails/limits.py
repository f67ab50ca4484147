"""The limits of the guardrails: `limits.toml`, and what a file of one's own changes of it."""

from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from contracts.errors import Misconfigured
from guardrails.sentinel.limits import SentinelLimits

SETTING: Final = "SLIDR_GUARDRAILS_FILE"
_BUILT_IN: Final = Path(__file__).with_name("limits.toml")

Share = Annotated[float, Meta(ge=0, le=1)]
Times = Annotated[float, Meta(gt=1)]
Factor = Annotated[float, Meta(gt=0)]
Errors = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
Hours = Annotated[tuple[Annotated[int, Meta(ge=1, le=168)], ...], Meta(min_length=1)]


class _Table(Struct, frozen=True, forbid_unknown_fields=True):
    """A heading of the file; the file's comments tell what its limits mean."""


class Trailing(_Table, frozen=True):
    weeks: Count
    least_weeks: Count
    least_days: Count
    standard_errors: Errors


class LeastShare(_Table, frozen=True):
    least_share: Share


class MostShare(_Table, frozen=True):
    most_share: Share


class Volume(_Table, frozen=True):
    least_share: Share
    hours: Hours
    least_share_of_day: Share
    most_times_of_day: Times


class PurchasesFeed(_Table, frozen=True):
    least_share: Share
    hours: Hours


class LabelRate(_Table, frozen=True):
    most_times: Times
    most_purchasing_times: Times
    least_share: Share
    most_human_times: Times


class SliceShare(_Table, frozen=True):
    least_times: Share
    most_times: Times
    least_clicks: Share


class FeatureDrift(_Table, frozen=True):
    most_psi: Factor
    most_psi_of_addresses: Factor


class FeatureUnits(_Table, frozen=True):
    most_times: Times


class Fpr(_Table, frozen=True):
    most_budgets: Factor
    standard_errors: Errors


class SliceFpr(_Table, frozen=True):
    most_caps: Factor
    standard_errors: Errors


class Coverage(_Table, frozen=True):
    least_floors: Share
    standard_errors: Errors


class Change(_Table, frozen=True):
    most_overall: Share
    most_in_a_slice: Share
    standard_errors: Errors
    least_clicks: Count


class ThresholdJump(_Table, frozen=True):
    most: Share
    least_clicks: Count


class Calibration(_Table, frozen=True):
    most_difference: Share


class Scores(_Table, frozen=True):
    most_extreme: Share
    most_alike: Share


class ScoreDirection(_Table, frozen=True):
    most_auc: Share


class ScoreParity(_Table, frozen=True):
    most_difference: Share


class Latency(_Table, frozen=True):
    most_times: Times


class Limits(_Table, frozen=True):
    """All limits, by the name of the guardrail; `trailing` is what they are compared with."""

    trailing: Trailing
    human_density: LeastShare
    volume: Volume
    purchases_feed: PurchasesFeed
    purchases_repeated: MostShare
    label_rate: LabelRate
    label_conflict: MostShare
    slice_share: SliceShare
    feature_drift: FeatureDrift
    feature_units: FeatureUnits
    feature_constant: MostShare
    feature_missing: MostShare
    archive_gaps: MostShare
    repeated_clicks: MostShare
    repeated_day: MostShare
    fpr: Fpr
    slice_fpr: SliceFpr
    coverage: Coverage
    ivr_change: Change
    decision_flips: Change
    threshold_jump: ThresholdJump
    calibration: Calibration
    scores: Scores
    score_direction: ScoreDirection
    finite_scores: MostShare
    varied_scores: MostShare
    score_parity: ScoreParity
    latency: Latency
    sentinel: SentinelLimits


def read_limits(path: Path | None = None) -> Limits:
    """The limits of the product, changed by the file at `path`. Raises Misconfigured for one that does not do."""
    built_in = _tables(_BUILT_IN)
    own = _tables(path) if path else {}
    merged = built_in | {name: _over(built_in.get(name), table) for name, table in own.items()}
    try:
        return msgspec.convert(merged, Limits)
    except msgspec.ValidationError as error:
        raise Misconfigured(
            f"{SETTING}: {path} cannot be used: {error}. The limits there are, and what each may be: {_BUILT_IN}."
        ) from error


def _over(built_in: Any, own: Any) -> Any:
    return built_in | own if isinstance(built_in, dict) and isinstance(own, dict) else own


def _tables(path: Path) -> dict[str, Any]:
    try:
        return msgspec.toml.decode(path.read_bytes(), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise Misconfigured(
            f"{SETTING}: {path} cannot be read: {error}. Expected a file such as {_BUILT_IN}."
        ) from error
