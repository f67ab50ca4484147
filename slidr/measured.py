"""How a model does on clicks that it was not fitted to, at a threshold set on yet others. Pure."""

from dataclasses import dataclass
from math import isnan

import numpy as np
import numpy.typing as npt

from contracts.errors import Refused
from contracts.rates import Rate
from contracts.scored import Scored
from model.evaluate import (
    area_under_curve,
    certain_share,
    false_positive_rate,
    invalidation_rate,
    threshold_at_fpr,
)
from traffic.robots import HUMAN

BoolVector = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """How a release does on clicks that it was not fitted to.

    `invalid_by_kind`: share of clicks invalidated by what made them, and `robot_auc`: how often a robot's click scores
    above a person's (NaN without one of them); both are known of simulated traffic alone.
    """

    ivr: Rate
    fpr: Rate
    robot_auc: float
    invalid_by_kind: dict[str, float]

    def metrics(self) -> dict[str, float]:
        """The numbers that a release's manifest keeps."""
        return {
            "ivr": self.ivr.value,
            "fpr": self.fpr.value,
            "fpr_low": self.fpr.low,
            "fpr_high": self.fpr.high,
            **({} if isnan(self.robot_auc) else {"robot_auc": self.robot_auc}),
            **{f"invalid_{kind}": share for kind, share in self.invalid_by_kind.items()},
        }


def check_purchases(scored: Scored) -> None:
    """Refuse clicks none of which led to a purchase."""
    if not scored.purchasing.any():
        raise Refused(
            f"None of {len(scored.purchasing)} clicks in a later part of the history led to a purchase, so the "
            "false-positive rate cannot be measured. Take a longer history, and check that purchases are in it."
        )


def threshold_for(scored: Scored, fpr_budget: float) -> float:
    """The lowest threshold of which these clicks show, chance considered, that it keeps to the budget."""
    allowed = certain_share(fpr_budget, of := int(scored.purchasing.sum()))
    if allowed < 0:
        raise Refused(
            f"{of} purchasing clicks are too few to show that a false-positive budget of {fpr_budget:.2%} holds. "
            "Take a longer history or raise the budget."
        )
    buying = scored.rows(scored.purchasing)
    return threshold_at_fpr(buying.score, allowed, buying.by_rules)


def measure(scored: Scored, threshold: float) -> Measured:
    """What a threshold for all slices, and the rules, do to these clicks."""
    invalid = scored.by_rules | (scored.score >= threshold)
    return Measured(
        ivr=invalidation_rate(invalid),
        fpr=false_positive_rate(invalid, scored.purchasing),
        robot_auc=_robot_auc(scored),
        invalid_by_kind=_by_kind(scored, invalid),
    )


def _robot_auc(scored: Scored) -> float:
    if scored.kinds is None or scored.kind_index is None:
        return float("nan")
    robots = np.array([kind != HUMAN for kind in scored.kinds], np.bool_)
    return area_under_curve(scored.score, robots[scored.kind_index])


def _by_kind(scored: Scored, invalid: BoolVector) -> dict[str, float]:
    if scored.kinds is None or scored.kind_index is None:
        return {}
    clicks = np.bincount(scored.kind_index, minlength=len(scored.kinds))
    hits = np.bincount(scored.kind_index, weights=invalid, minlength=len(scored.kinds))
    return {
        kind: float(hit / count) for kind, hit, count in sorted(zip(scored.kinds, hits, clicks, strict=True)) if count
    }
