"""Guardrails on a model by itself: what it answers to whatever it is given, and how long that takes on this machine."""

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from contracts.features import FEATURE_INDEX, FEATURES, NO_GAP
from contracts.ports import FloatMatrix, Scorer
from contracts.verdicts import GuardrailVerdict
from model.decide import written_scores

_ROWS: Final = 4096
_EXTREMES: Final = (1e3, 1e6, 1e9)
# Clicks a call, and calls: some are disturbed by whatever else runs here, and the shortest one is not.
_TAKE: Final = 64
_CALLS: Final = 300
_REFERENCE: Final = (128, 64, 1)


def finite_scores(scorer: Scorer, feature_ids: Sequence[str], most_share: float) -> GuardrailVerdict:
    """Share of random and of extreme clicks whose score is no number from 0 to 1."""
    scores = scorer.score(np.concatenate([random_rows(feature_ids), extreme_rows(len(feature_ids))]))
    wrong = ~((scores >= 0) & (scores <= 1))
    found = f"{int(wrong.sum()):,}, such as {scores[wrong][0]}" if wrong.any() else "none"
    return _judged(
        "finite_scores",
        float(wrong.mean()),
        most_share,
        f"Of {len(scores):,} random and extreme clicks, {found} got a score that is no number from 0 to 1; at most "
        f"{most_share:.1%} may.",
        "Weights of the model are no numbers, or far too large. Train again, with another seed or shorter.",
    )


def varied_scores(scorer: Scorer, feature_ids: Sequence[str], most_share: float) -> GuardrailVerdict:
    """Share of random clicks with the commonest written score: a saturated model says one thing of everybody."""
    scores = written_scores(np.nan_to_num(scorer.score(random_rows(feature_ids))))
    values, counts = np.unique(scores, return_counts=True)
    share = float(counts.max() / len(scores))
    return _judged(
        "varied_scores",
        share,
        most_share,
        f"Of {len(scores):,} random clicks, {share:.1%} got the score {values[counts.argmax()]:g}; at most "
        f"{most_share:.1%} may get the same.",
        "The model says one thing of everybody. Look at its training, and train again.",
    )


def score_parity(
    scored: npt.NDArray[np.float64], again: npt.NDArray[np.float64], most_difference: float
) -> GuardrailVerdict:
    """The largest difference between the scores that thresholds were tested on and those of this file, both (n,)."""
    difference = float(np.nan_to_num(np.abs(scored - again), nan=1.0).max())
    return _judged(
        "score_parity",
        difference,
        most_difference,
        f"Scored again by the release's own file, {len(scored):,} clicks of the test differ by up to {difference:.2g} "
        f"from what the thresholds were tested on; at most {most_difference:g} is allowed.",
        "The model of the release is not the one that was calibrated, or this machine computes otherwise. Make the "
        "candidate again.",
    )


def latency(scorer: Scorer, features: int, most_times: float) -> GuardrailVerdict:
    """Time to score 64 clicks as a multiple of what a network in NumPy takes, both measured here and now."""
    rows = np.zeros((_TAKE, features), np.float32)
    model_ns, reference_ns = _shortest(scorer, _reference(features), rows)
    times = model_ns / reference_ns
    sizes = "-".join(map(str, (features, *_REFERENCE)))
    return _judged(
        "latency",
        times,
        most_times,
        f"{_TAKE} clicks take {model_ns / 1e6:.3g} ms on {scorer.provider}, {times:.3g} times as long as a network of "
        f"{sizes} in NumPy; at most {most_times:g} times is allowed.",
        "The model is too slow for live clicks. Make it smaller, or publish from a machine like the workers'.",
    )


def random_rows(feature_ids: Sequence[str]) -> FloatMatrix:
    """Clicks (4096, F) as counters could show them: some quiet, some busy, with long tails; the same each time."""
    random = np.random.default_rng(1)
    busy = 10 ** random.uniform(-2, 2, (_ROWS, 1))
    table = (busy * random.lognormal(0, 1, (_ROWS, len(FEATURES)))).astype(np.float32)
    for column, feature in enumerate(FEATURES):
        if feature.kind == "calendar":
            table[:, column] = np.sin(random.uniform(0, 2 * np.pi, _ROWS))
        elif feature.kind == "flag":
            table[:, column] = random.integers(0, 2, _ROWS)
        elif feature.kind == "gap":
            table[random.random(_ROWS) < 0.3, column] = NO_GAP
    return table[:, [FEATURE_INDEX[feature_id] for feature_id in feature_ids]]


def extreme_rows(features: int) -> FloatMatrix:
    """Nothing at all, no gap anywhere, and huge values: in each column alone, and in all of them; (n, F)."""
    alone = [value * np.eye(features, dtype=np.float32) for value in _EXTREMES]
    together = [np.full((1, features), value, np.float32) for value in (0.0, NO_GAP, *_EXTREMES)]
    return np.concatenate([*alone, *together])


def _reference(features: int) -> list[FloatMatrix]:
    random = np.random.default_rng(1)
    return [random.normal(0, 0.1, shape).astype(np.float32) for shape in pairwise((features, *_REFERENCE))]


def _shortest(scorer: Scorer, weights: list[FloatMatrix], rows: FloatMatrix) -> tuple[int, int]:
    """Nanoseconds of the shortest call of each, one after the other in turn."""
    best = [1 << 62, 1 << 62]
    for _ in range(_CALLS):
        started = time.perf_counter_ns()
        scorer.score(rows)
        between = time.perf_counter_ns()
        signal = rows
        for weight in weights:
            signal = np.maximum(signal @ weight, 0)
        best = [min(best[0], between - started), min(best[1], time.perf_counter_ns() - between)]
    return best[0], best[1]


def _judged(guardrail: str, measured: float, limit: float, sentence: str, remedy: str) -> GuardrailVerdict:
    if measured > limit:
        return GuardrailVerdict(guardrail, "blocked", sentence, remedy, measured=measured, limit=limit)
    return GuardrailVerdict(guardrail, "passed", sentence, measured=measured, limit=limit)
