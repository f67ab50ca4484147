"""What the sentinel allows: section `[sentinel]` of the file of limits, and what holds without it."""

from typing import Annotated

from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class SentinelLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of live judgement. Shares are from 0 to 1; a guardrail's name is the name of its limit.

    The window
        `window_min`            minutes of stream time that are judged together
        `least_clicks`          clicks of a slice in the window without which it is not judged
        `watch_h`               hours that the last stable release goes on being scored after a promotion
    Two releases on the same clicks (the active one against the last stable one)
        `newly_invalid`         of the clicks that the last stable one holds valid, the share that may become invalid
        `let_through`           of the clicks that its model and no rule holds invalid, the share that may become valid
        `disagreement`          share of all clicks on which the two may differ
        `least_flips`           differing verdicts without which no difference is believed
        `standard_errors`       how many of them a difference must be away from chance (McNemar)
    One release against what is expected of it
        `ivr_above`             share by which the IVR may lie above its band for the hour of the week
        `ivr_fallen_to`         part of its band's low end that the IVR may fall to
    Purchases
        `fpr_above`             share by which the FPR may lie above its band
        `least_purchasing`      purchasing clicks without which the FPR is not judged
        `maturity_h`            hours after a click in which a purchase counts; the FPR is of clicks older than that
        `purchases_silent_min`  minutes of stream time without a new purchase, after which the feed is missing
        `silent_clicks`         clicks that must have come meanwhile: without clicks there are no purchases
    Robotic coverage
        `coverage_fallen_to`    part of its band's low end that the coverage may fall to before it is reported
        `busy_over`             sessions with more ad clicks than this in an hour are busy
    """

    window_min: Count = 10
    least_clicks: Count = 300
    watch_h: Positive = 24.0
    newly_invalid: Share = 0.2
    let_through: Share = 0.9
    disagreement: Share = 0.4
    least_flips: Count = 100
    standard_errors: Positive = 6.0
    ivr_above: Share = 0.15
    ivr_fallen_to: Share = 0.33
    fpr_above: Share = 0.05
    least_purchasing: Count = 100
    maturity_h: Positive = 2.0
    purchases_silent_min: Positive = 60.0
    silent_clicks: Count = 1_000
    coverage_fallen_to: Share = 0.5
    busy_over: Positive = 5.0
