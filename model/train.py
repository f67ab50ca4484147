"""Training: weighted cross-entropy in mini-batches, stopped when a later part of history no longer gains."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from contracts.errors import Refused
from contracts.features import FEATURES
from contracts.ports import FloatMatrix
from model.network import RobotNetwork
from model.normalise import fit

DAY_MS: Final = 24 * 3_600_000
# Shorter histories do not show each hour twice, or each day of the week once: what they teach of it is chance.
HOURS_NEED_MS: Final = 2 * DAY_MS
WEEKDAYS_NEED_MS: Final = 7 * DAY_MS


class Sample(NamedTuple):
    """Clicks to learn from: features (n, F) float32, label `robot` (n,) bool, weights (n,) float32."""

    features: FloatMatrix
    robot: npt.NDArray[np.bool_]
    weights: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Schedule:
    """How training runs. It stops after `patience` epochs without a lower validation loss."""

    seed: int = 1
    max_epochs: int = 30
    patience: int = 4
    batch_rows: int = 1024
    learning_rate: float = 1e-3
    l2: float = 1e-4


class Epoch(NamedTuple):
    """Weighted mean cross-entropy after an epoch, in nats."""

    number: int
    training_loss: float
    validation_loss: float


def learnable_features(training_span_ms: int) -> tuple[str, ...]:
    """Feature ids that a history of this length can teach: hours and days of the week only when it covers them."""
    needs = {"hour": HOURS_NEED_MS, "weekday": WEEKDAYS_NEED_MS}
    return tuple(feature.id for feature in FEATURES if training_span_ms >= needs.get(feature.of, 0))


def train(
    training: Sample,
    validation: Sample,
    feature_ids: tuple[str, ...],
    schedule: Schedule,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> RobotNetwork:
    """The network with the lowest loss on `validation`, which must be later than `training`.

    The same input and seed give the same network on the same machine. Raises Refused for input that teaches nothing.
    """
    _check(training, "training")
    _check(validation, "validation")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = RobotNetwork(fit(training.features, feature_ids, training.weights), schedule.seed).to(device)
    inputs, held_out = _tensors(network, training, device), _tensors(network, validation, device)
    optimiser = torch.optim.Adam(network.parameter_groups(schedule.l2), lr=schedule.learning_rate)
    generator = torch.Generator().manual_seed(schedule.seed)
    best, best_loss, best_epoch = copy.deepcopy(network.state_dict()), float("inf"), 0
    with _one_thread():
        for number in range(1, schedule.max_epochs + 1):
            training_loss = _run_epoch(network, inputs, optimiser, generator, schedule.batch_rows)
            with torch.no_grad():
                validation_loss = float(_loss(network, *held_out))
            on_epoch(Epoch(number, training_loss, validation_loss))
            if validation_loss < best_loss:
                best, best_loss, best_epoch = copy.deepcopy(network.state_dict()), validation_loss, number
            elif number - best_epoch >= schedule.patience:
                break
    network.load_state_dict(best)
    return network


@contextmanager
def _one_thread() -> Iterator[None]:
    """Matrices of this size gain nothing from a second thread, and lose tenfold when others want its core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _run_epoch(
    network: RobotNetwork,
    inputs: tuple[Tensor, Tensor, Tensor],
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator,
    batch_rows: int,
) -> float:
    order = torch.randperm(len(inputs[0]), generator=generator).to(inputs[0].device)
    losses = []
    for rows in torch.split(order, batch_rows):
        optimiser.zero_grad()
        loss = _loss(network, *(column[rows] for column in inputs))
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.detach())
    return float(torch.stack(losses).mean())


def _loss(network: RobotNetwork, normalised: Tensor, robot: Tensor, weights: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(network(normalised), robot, weights, reduction="sum") / weights.sum()


def _tensors(network: RobotNetwork, sample: Sample, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    normalised = network.normalisation.apply(sample.features)
    return (
        torch.from_numpy(normalised).to(device),
        torch.from_numpy(sample.robot.astype(np.float32)).to(device),
        torch.from_numpy(sample.weights).to(device),
    )


def _check(sample: Sample, part: str) -> None:
    """Refuse what cannot teach: no rows, one label only, features that are no numbers."""
    n, robots = len(sample.robot), int(sample.robot.sum())
    if n == 0 or robots in (0, n):
        raise Refused(
            f"The {part} part has {robots} non-human clicks of {n}; both labels are needed to learn from. "
            "Take a longer history, and check that purchases are in it."
        )
    broken = int((~np.isfinite(sample.features).all(axis=1)).sum())
    if broken:
        raise Refused(
            f"The {part} part has {broken} clicks of {n} with a feature that is not a finite number. "
            "Nothing was trained; find where they come from, or leave those clicks out."
        )
