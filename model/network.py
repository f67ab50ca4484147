"""The network: three fully connected layers with ReLU between them. Trained here, run as ONNX."""

from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from contracts.ports import FloatMatrix
from model.normalise import Normalisation

HIDDEN: Final = (128, 64)


class RobotNetwork(nn.Module):
    """Normalised features (n, F) -> logits of "robot" (n,). Without a `hidden` layer it is a logistic regression."""

    def __init__(self, normalisation: Normalisation, seed: int, hidden: tuple[int, ...] = HIDDEN) -> None:
        super().__init__()
        self.normalisation = normalisation
        widths = (len(normalisation.mean), *hidden, 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.stack = nn.ModuleList(nn.Linear(wide, narrow) for wide, narrow in pairwise(widths))

    def forward(self, normalised: Tensor) -> Tensor:
        """Logits: (n, F) normalised -> (n,)."""
        *intermediate, last = self.stack
        signal = normalised
        for layer in intermediate:
            signal = torch.relu(layer(signal))
        logits: Tensor = last(signal).squeeze(-1)
        return logits

    def layers(self) -> tuple[nn.Linear, ...]:
        """The layers in the order in which they are passed."""
        return tuple(layer for layer in self.stack if isinstance(layer, nn.Linear))

    def parameter_groups(self, l2: float) -> list[dict[str, Any]]:
        """Parameters for an optimiser: L2 on the weights of the intermediate layers, none on biases and the last."""
        *intermediate, last = self.layers()
        weights, biases = [layer.weight for layer in intermediate], [layer.bias for layer in intermediate]
        return [
            {"params": weights, "weight_decay": l2},
            {"params": [*biases, *last.parameters()], "weight_decay": 0.0},
        ]


def probabilities(network: RobotNetwork, features: FloatMatrix) -> npt.NDArray[np.float32]:
    """Robot probability by torch: (n, F) float32 raw -> (n,) float32. What the exported graph is compared with."""
    with torch.no_grad():
        device = next(network.parameters()).device
        normalised = torch.from_numpy(network.normalisation.apply(features)).to(device)
        answer: npt.NDArray[np.float32] = torch.sigmoid(network(normalised)).cpu().numpy()
        return answer
