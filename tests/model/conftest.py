"""Raw features as the counters give them, and a network with the weights it was born with."""

from collections.abc import Callable

import numpy as np
import pytest

from contracts.features import FEATURE_IDS, FEATURES, NO_GAP
from contracts.ports import FloatMatrix
from model.export import export
from model.network import RobotNetwork
from tests.model.labelled import fitted


@pytest.fixture(scope="session")
def raw_features() -> Callable[[int, int], FloatMatrix]:
    """`raw_features(n, seed)`: (n, all features) float32 with long tails, unseen entities and points of the circle."""

    def draw(n: int, seed: int) -> FloatMatrix:
        random = np.random.default_rng(seed)
        matrix = np.empty((n, len(FEATURES)), np.float32)
        for column, feature in enumerate(FEATURES):
            if feature.kind == "calendar":
                matrix[:, column] = np.sin(random.uniform(0, 2 * np.pi, n))
            elif feature.kind == "flag":
                matrix[:, column] = random.integers(0, 2, n)
            else:
                matrix[:, column] = random.lognormal(1, 2, n)
            if feature.kind == "gap":
                matrix[random.random(n) < 0.3, column] = NO_GAP
        return matrix

    return draw


@pytest.fixture(scope="session")
def backward_features(raw_features: Callable[[int, int], FloatMatrix]) -> Callable[[int, int], FloatMatrix]:
    """Like `raw_features` with the columns from last to first: those with a logarithm stand at the end of a row.

    There a vectorised logarithm comes to its remainder, which ONNX Runtime computes by another formula.
    """
    return lambda n, seed: np.ascontiguousarray(raw_features(n, seed)[:, ::-1])


@pytest.fixture(scope="session")
def network(backward_features: Callable[[int, int], FloatMatrix]) -> RobotNetwork:
    return RobotNetwork(fitted(backward_features(500, 1), FEATURE_IDS[::-1]), seed=7)


@pytest.fixture(scope="session")
def onnx_model(network: RobotNetwork, backward_features: Callable[[int, int], FloatMatrix]) -> bytes:
    return export(network, backward_features(300, 2), FEATURE_IDS[::-1])
