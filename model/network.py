"""The network: three fully connected layers with ReLU between them. Trained here, run as ONNX."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from contracts.ports import FloatMatrix
from model.normalise import Normalisation

HIDDEN: Final = (128, 64)


class RobotNetwork(nn.Module):
    """Normalised features (n, F) -> logits of "robot" (n,)."""

    def __init__(self, normalisation: Normalisation, seed: int, hidden: tuple[int, int] = HIDDEN) -> None:
        super().__init__()
        self.normalisation = normalisation
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.first = nn.Linear(len(normalisation.mean), hidden[0])
            self.second = nn.Linear(hidden[0], hidden[1])
            self.last = nn.Linear(hidden[1], 1)

    def forward(self, normalised: Tensor) -> Tensor:
        """Logits: (n, F) normalised -> (n,)."""
        signal = torch.relu(self.second(torch.relu(self.first(normalised))))
        logits: Tensor = self.last(signal).squeeze(-1)
        return logits

    def layers(self) -> tuple[nn.Linear, ...]:
        """The layers in the order in which they are passed."""
        return self.first, self.second, self.last

    def parameter_groups(self, l2: float) -> list[dict[str, Any]]:
        """Parameters for an optimiser: L2 on the weights of the intermediate layers, none on biases and the last."""
        return [
            {"params": [self.first.weight, self.second.weight], "weight_decay": l2},
            {"params": [self.first.bias, self.second.bias, *self.last.parameters()], "weight_decay": 0.0},
        ]


def probabilities(network: RobotNetwork, features: FloatMatrix) -> npt.NDArray[np.float32]:
    """Robot probability by torch: (n, F) float32 raw -> (n,) float32. What the exported graph is compared with."""
    with torch.no_grad():
        device = next(network.parameters()).device
        normalised = torch.from_numpy(network.normalisation.apply(features)).to(device)
        answer: npt.NDArray[np.float32] = torch.sigmoid(network(normalised)).cpu().numpy()
        return answer
