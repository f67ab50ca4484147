"""Export: the trained network as an ONNX graph that reads raw features, proved against torch before it is used."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from contracts.errors import Refused
from contracts.ports import FloatMatrix
from model.network import RobotNetwork, probabilities
from model.scorer import FEATURES_KEY, INPUT, OUTPUT, OnnxScorer

# Both sides work in float32, in different orders of addition; a wrong graph differs by far more.
PARITY: Final = 1e-5
_OPSET: Final = 17
_IR_VERSION: Final = 9


def export(network: RobotNetwork, sample: FloatMatrix, feature_ids: Sequence[str]) -> bytes:
    """ONNX bytes of the network: `features` (n, F) float32 raw -> `probability` (n,) float32, n free.

    The file also says which features those are, in order, so that it can be used without anything beside it.

    Raises Refused if ONNX Runtime and torch differ by more than `PARITY` on any row of `sample` (n, F).
    """
    model = _build(network, feature_ids)
    expected = probabilities(network, sample)
    differences = np.abs(OnnxScorer(model).score(sample) - expected)
    worst = int(np.argmax(differences))
    if not differences[worst] <= PARITY:
        raise Refused(
            f"ONNX Runtime and torch disagree: row {worst} of the sample scores {differences[worst]:.2g} apart, "
            f"allowed is {PARITY:g}. Nothing was written; this is a fault of the export."
        )
    return model


def _build(network: RobotNetwork, feature_ids: Sequence[str]) -> bytes:
    """The graph of `normalise` and the layers; onnx.helper, since the network is small and nothing else is needed."""
    normalisation = network.normalisation
    constants = {
        "slope": normalisation.slope,
        "logarithmic": normalisation.logarithmic,
        "one": np.float32(1),
        "rows": np.array([-1], np.int64),
    }
    nodes = [
        helper.make_node("PRelu", [INPUT, "slope"], ["filled"]),
        helper.make_node("Add", ["filled", "one"], ["more"]),
        helper.make_node("Log", ["more"], ["logarithm"]),
        helper.make_node("Where", ["logarithmic", "logarithm", "filled"], ["signal0"]),
    ]
    layers = _layers(network)
    for i, (weight, bias) in enumerate(layers):
        constants |= {f"weight{i}": weight, f"bias{i}": bias}
        nodes.append(helper.make_node("Gemm", [f"signal{i}", f"weight{i}", f"bias{i}"], [f"layer{i}"]))
        if i + 1 < len(layers):
            nodes.append(helper.make_node("Relu", [f"layer{i}"], [f"signal{i + 1}"]))
    nodes.append(helper.make_node("Sigmoid", [f"layer{len(layers) - 1}"], ["column"]))
    nodes.append(helper.make_node("Reshape", ["column", "rows"], [OUTPUT]))
    return _serialise(nodes, constants, feature_ids)


def _layers(network: RobotNetwork) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Weights (in, out) and biases (out,), mean and deviation folded into the first layer to save two passes a run."""
    layers = [
        (layer.weight.detach().cpu().numpy().T.astype(np.float64), layer.bias.detach().cpu().numpy().astype(np.float64))
        for layer in network.layers()
    ]
    weight, bias = layers[0]
    inverse = network.normalisation.inverse_deviation.astype(np.float64)
    layers[0] = (inverse[:, None] * weight, bias - (network.normalisation.mean * inverse) @ weight)
    return [(weight.astype(np.float32), bias.astype(np.float32)) for weight, bias in layers]


def _serialise(nodes: list[Any], constants: dict[str, Any], feature_ids: Sequence[str]) -> bytes:
    graph = helper.make_graph(
        nodes,
        "robot-network",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", len(feature_ids)])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph, producer_name="slidr", opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    helper.set_model_props(model, {FEATURES_KEY: " ".join(feature_ids)})
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
