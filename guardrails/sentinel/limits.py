"""What the sentinel allows: the heading `[sentinel]` of the file of limits, whose comments tell what each means."""

from typing import Annotated

from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class SentinelLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of live judgement. Shares are from 0 to 1; a guardrail of the sentinel has the name of its limit."""

    window_min: Count
    least_clicks: Count
    watch_h: Positive
    newly_invalid: Share
    let_through: Share
    disagreement: Share
    least_flips: Count
    standard_errors: Positive
    ivr_above: Share
    ivr_fallen_to: Share
    fpr_above: Share
    least_purchasing: Count
    maturity_h: Positive
    purchases_silent_min: Positive
    silent_clicks: Count
    coverage_fallen_to: Share
    busy_over: Positive
