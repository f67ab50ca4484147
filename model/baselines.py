"""What the network has to beat, and what it would be without its parts. Each is a scorer, compared at equal FPR.

network             three layers, all features, weights by hour of the week
logistic            logistic regression on the same features with the same weights
velocity            one counter and a threshold: the clicks of an account or an address in an hour, whichever is best
without-weights     the network, every click counting the same
without-entities    the network without the counters of accounts and addresses: what one session shows
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from contracts.errors import Refused
from contracts.features import FEATURE_INDEX, FEATURES
from contracts.ports import FloatMatrix, Scorer
from model.network import HIDDEN
from model.reading import Labelled
from model.schedule import Listener, Schedule
from model.stream import Draws
from model.train import Shape, train

VELOCITY: Final = "velocity"
NAMES: Final = (VELOCITY, "logistic", "without-weights", "without-entities")
VELOCITY_COUNTERS: Final = ("account_clicks_1h", "ip_clicks_1h", "ip_ua_clicks_1h")
_WITHIN_A_SESSION: Final = frozenset({"session", "click"})
# Where a counter's score is one half. Written scores have six decimals: counts up to some 3,000 stay apart.
_HALF_AT_CLICKS: Final = 10.0
_ROWS_MOST: Final = 1_000_000


class Contender(NamedTuple):
    """A scorer to be compared, and the features that it reads, in order."""

    name: str
    feature_ids: tuple[str, ...]
    scorer: Scorer


def shapes(feature_ids: tuple[str, ...]) -> dict[str, Shape]:
    """What is trained beside the network, on features of which the network has all."""
    entities = {feature.id: feature.entity for feature in FEATURES}
    alone = tuple(name for name in feature_ids if entities[name] in _WITHIN_A_SESSION)
    return {
        "logistic": Shape(feature_ids, hidden=()),
        "without-weights": Shape(feature_ids, HIDDEN, weighted=False),
        "without-entities": Shape(alone),
    }


def contender(
    name: str,
    training: Labelled,
    validation: Labelled,
    feature_ids: tuple[str, ...],
    schedule: Schedule,
    fpr_budget: float,
    listener: Listener | None = None,
) -> Contender:
    """One of `NAMES`, trained on the same clicks as the network. Raises what `train` raises."""
    # Exporting needs onnx, which whoever only reads this file need not have.
    from model.export import export
    from model.scorer import OnnxScorer

    if name == VELOCITY:
        return velocity_rule(training, fpr_budget, schedule.seed)
    shape = shapes(feature_ids)[name]
    network = train(training, validation, shape, schedule, listener)
    onnx = export(network, parity_sample(validation, shape.feature_ids), shape.feature_ids)
    return Contender(name, shape.feature_ids, OnnxScorer(onnx))


class VelocityScorer:
    """c / (c + 10) of one counter c: grows with it, from 0 to 1."""

    provider = "none"

    def score(self, features: FloatMatrix) -> npt.NDArray[np.float32]:
        """(n, 1) float32 -> (n,) float32 in [0, 1]."""
        count = np.maximum(features[:, 0], 0)
        score: npt.NDArray[np.float32] = (count / (count + np.float32(_HALF_AT_CLICKS))).astype(np.float32)
        return score


def velocity_rule(training: Labelled, fpr_budget: float, seed: int) -> Contender:
    """The counter that finds most non-human clicks at a threshold that invalidates `fpr_budget` of the human ones.

    Chosen on at most about a million training clicks, a seeded sample of row groups.
    """
    places = np.array([FEATURE_INDEX[name] for name in VELOCITY_COUNTERS], np.intp)
    groups = sorted(Draws(training.groups, _ROWS_MOST, seed).next())
    parts = list(training.of(groups).taught(places))
    if not parts:
        raise Refused("There are no training clicks, so no velocity rule can be chosen.")
    counts = np.concatenate([part.features for part in parts])
    human = np.concatenate([part.human for part in parts])
    shares = [found_at(column, human, fpr_budget) for column in counts.T]
    best = VELOCITY_COUNTERS[int(np.argmax(shares))]
    return Contender(VELOCITY, (best,), VelocityScorer())


def found_at(count: npt.NDArray[np.float32], human: npt.NDArray[np.bool_], fpr_budget: float) -> float:
    """Share of non-human clicks above the lowest count that at most `fpr_budget` of human clicks exceed."""
    people = np.sort(count[human])
    if not len(people) or human.all():
        return 0.0
    allowed = int(fpr_budget * len(people))
    return float((count[~human] > people[-1 - allowed]).mean()) if allowed < len(people) else 1.0


def parity_sample(labelled: Labelled, feature_ids: Sequence[str]) -> FloatMatrix:
    """Raw features of the first clicks, on which an exported graph is compared with torch: (n, F), n up to 10,000."""
    places = np.array([FEATURE_INDEX[name] for name in feature_ids], np.intp)
    for taught in labelled.taught(places):
        if len(taught.human):
            return taught.features[:10_000]
    raise Refused("There are no labelled clicks to compare an exported model on.")
