"""A model that answers no numbers, says one thing of everybody, or takes too long is found by itself."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from contracts.features import FEATURE_IDS
from contracts.ports import FloatMatrix
from model.scorer import OnnxScorer
from model.soundness import finite_scores, latency, random_rows, score_parity, varied_scores

IDS = FEATURE_IDS[::-1]
NONE = 0.0
ALIKE = 0.99
TIMES = 20.0
DIFFERENCE = 1e-5


def with_weights(model: bytes, name: str, change: Callable[[np.ndarray], np.ndarray]) -> OnnxScorer:
    """The model with other numbers in one of its arrays."""
    graph = onnx.load_model_from_string(model)
    for array in graph.graph.initializer:
        if array.name == name:
            array.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(array).copy()), name))
    return OnnxScorer(graph.SerializeToString())


def one_nan(weights: np.ndarray) -> np.ndarray:
    weights[0, 0] = np.nan
    return weights


def overflowing(weights: np.ndarray) -> np.ndarray:
    return np.where(np.arange(weights.size).reshape(weights.shape) % 2, np.float32(3e38), np.float32(-3e38))


def test_an_exported_network_is_sound(onnx_model: bytes) -> None:
    scorer = OnnxScorer(onnx_model)

    verdicts = [finite_scores(scorer, IDS, NONE), varied_scores(scorer, IDS, ALIKE), latency(scorer, len(IDS), TIMES)]

    assert [verdict.outcome for verdict in verdicts] == ["passed"] * 3
    assert all(verdict.remedy == "" for verdict in verdicts)


@pytest.mark.parametrize("spoil", [one_nan, overflowing])
def test_weights_that_give_no_numbers_are_found(onnx_model: bytes, spoil: Callable[[np.ndarray], np.ndarray]) -> None:
    verdict = finite_scores(with_weights(onnx_model, "weight1", spoil), IDS, NONE)

    assert verdict.outcome == "blocked"
    assert (verdict.measured or 0) > 0
    assert "such as nan got a score" in verdict.sentence
    assert verdict.remedy


def test_a_number_that_only_extreme_clicks_bring_about_is_found() -> None:
    class Fragile:
        provider = "none"

        def score(self, features: FloatMatrix) -> np.ndarray:
            return np.where(features.max(axis=1) >= 1e9, np.nan, 0.5).astype(np.float32)

    assert random_rows(IDS).max() < 1e9
    assert finite_scores(Fragile(), IDS, NONE).outcome == "blocked"


def test_a_score_above_one_is_found() -> None:
    class Loud:
        provider = "none"

        def score(self, features: FloatMatrix) -> np.ndarray:
            return np.full(len(features), 1.01, np.float32)

    assert finite_scores(Loud(), IDS, NONE).outcome == "blocked"


def test_a_saturated_model_is_found(onnx_model: bytes) -> None:
    verdict = varied_scores(with_weights(onnx_model, "bias2", lambda bias: bias + 60), IDS, ALIKE)

    assert (verdict.outcome, verdict.measured) == ("blocked", 1.0)
    assert "100.0% got the score 1;" in verdict.sentence


def test_a_model_that_takes_far_longer_than_a_small_network_is_found(onnx_model: bytes) -> None:
    fast = OnnxScorer(onnx_model)

    class Slow:
        provider = "none"

        def score(self, features: FloatMatrix) -> np.ndarray:
            return [fast.score(features) for _ in range(100)][-1]

    verdict = latency(Slow(), len(IDS), TIMES)

    assert verdict.outcome == "blocked"
    assert (verdict.measured or 0) > TIMES


def test_scores_of_another_model_are_found(onnx_model: bytes) -> None:
    scores = OnnxScorer(onnx_model).score(random_rows(IDS)).astype(np.float64)
    other = scores.copy()
    other[7] += 0.001

    assert score_parity(scores, scores, DIFFERENCE).outcome == "passed"
    assert score_parity(scores, other, DIFFERENCE).outcome == "blocked"
    assert score_parity(scores, np.where(other == other[7], np.nan, other), DIFFERENCE).outcome == "blocked"
