"""Training: weighted cross-entropy in mini-batches, stopped when a later part of history no longer gains.

Reads labelled files as it goes: in memory are a buffer of training clicks and a sample of the validation clicks.
"""

import copy
from collections.abc import Iterator
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
from model.network import HIDDEN, RobotNetwork
from model.normalise import Fit, Normalisation
from model.reading import Labelled
from model.release import columns_of
from model.schedule import Epoch, Listener, Schedule
from model.stream import Batch, Draws, Stream
from model.weights import cell_weights, equal_weights

DAY_MS: Final = 24 * 3_600_000
# Shorter histories do not show each hour twice, or each day of the week once: what they teach of it is chance.
HOURS_NEED_MS: Final = 2 * DAY_MS
WEEKDAYS_NEED_MS: Final = 7 * DAY_MS
# Clicks whose loss is computed at once, so that a large validation sample needs no large memory.
_LOSS_ROWS: Final = 1 << 16
_TELL_BATCHES: Final = 50


class Shape(NamedTuple):
    """What is trained: on which features, with which intermediate layers, with or without the weights of cells."""

    feature_ids: tuple[str, ...]
    hidden: tuple[int, ...] = HIDDEN
    weighted: bool = True


def learnable_features(training_span_ms: int) -> tuple[str, ...]:
    """Feature ids that a history of this length can teach: hours and days of the week only when it covers them."""
    needs = {"hour": HOURS_NEED_MS, "weekday": WEEKDAYS_NEED_MS}
    return tuple(feature.id for feature in FEATURES if training_span_ms >= needs.get(feature.of, 0))


def train(
    training: Labelled, validation: Labelled, shape: Shape, schedule: Schedule, listener: Listener | None = None
) -> RobotNetwork:
    """The network with the lowest loss on `validation`, which must be later than `training`.

    The same input and seed give the same network on the same machine. Raises Refused for input that teaches nothing,
    BadInput for a damaged file.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with _one_thread():
        weights = _weights(training, "training", shape)
        held_out_weights = _weights(validation, "validation", shape)
        columns = columns_of(shape.feature_ids)
        normalisation = _fit(training, columns, weights, shape, schedule)
        network = RobotNetwork(normalisation, schedule.seed, shape.hidden).to(device)
        held_out = Draws(validation.groups, schedule.validation_rows, schedule.seed).next()
        _Training(
            network,
            Stream(training, columns, normalisation, weights, device),
            Stream(validation, columns, normalisation, held_out_weights, device).load(sorted(held_out)),
            Draws(training.groups, schedule.rows_per_epoch, schedule.seed),
            schedule,
            listener or Listener(),
        ).run()
    return network


def _weights(part: Labelled, name: str, shape: Shape) -> npt.NDArray[np.float32]:
    """Weights by cell and label; refuses a part that cannot teach."""
    counts = part.count()
    robots, n = int(counts[:, 0].sum()), int(counts.sum())
    if robots in (0, n):
        raise Refused(
            f"The {name} part has {robots} non-human clicks of {n}; both labels are needed to learn from. "
            "Take a longer history, and check that purchases are in it."
        )
    return cell_weights(counts) if shape.weighted else equal_weights()


def _fit(
    training: Labelled,
    columns: npt.NDArray[np.intp] | None,
    weights: npt.NDArray[np.float32],
    shape: Shape,
    schedule: Schedule,
) -> Normalisation:
    """Over all training clicks or, where there are too many, over as many as an epoch reads."""
    fit = Fit(shape.feature_ids)
    groups = sorted(Draws(training.groups, schedule.rows_per_epoch, schedule.seed).next())
    for taught in training.of(groups).taught(columns):
        fit.add(taught.features, weights[taught.cell, taught.human.astype(np.intp)])
    return fit.normalisation()


@dataclass
class _Training:
    """One run: batches in, the best weights kept in the network."""

    network: RobotNetwork
    stream: Stream
    held_out: Batch
    draws: Draws
    schedule: Schedule
    listener: Listener

    def run(self) -> None:
        schedule = self.schedule
        optimiser = torch.optim.Adam(self.network.parameter_groups(schedule.l2), lr=schedule.learning_rate)
        generator = torch.Generator().manual_seed(schedule.seed)
        best, best_loss, best_epoch = copy.deepcopy(self.network.state_dict()), float("inf"), 0
        for number in range(1, schedule.max_epochs + 1):
            training_loss = self._run_epoch(number, optimiser, generator)
            validation_loss = self._validation_loss()
            self.listener.epoch(Epoch(number, training_loss, validation_loss))
            if validation_loss < best_loss:
                best, best_loss, best_epoch = copy.deepcopy(self.network.state_dict()), validation_loss, number
            elif number - best_epoch >= schedule.patience:
                break
        self.network.load_state_dict(best)

    def _run_epoch(self, number: int, optimiser: torch.optim.Optimizer, generator: torch.Generator) -> float:
        groups, losses, done = self.draws.next(), [], 0
        of_epoch = sum(group.rows for group in groups)
        for batch in self.stream.batches(groups, self.schedule.batch_rows, generator):
            optimiser.zero_grad()
            loss = _loss(self.network, batch) / batch.weights.sum()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(loss.detach())
            done += len(batch.robot)
            if len(losses) % _TELL_BATCHES == 0:
                self.listener.rows((number - 1) * of_epoch + done, self.schedule.max_epochs * of_epoch)
        self.listener.rows(number * of_epoch, self.schedule.max_epochs * of_epoch)
        return float(torch.stack(losses).mean())

    def _validation_loss(self) -> float:
        with torch.no_grad():
            starts = range(0, len(self.held_out.robot), _LOSS_ROWS)
            parts = [self.held_out.rows(slice(start, start + _LOSS_ROWS)) for start in starts]
            losses = torch.stack([_loss(self.network, part).double() for part in parts])
            return float(losses.sum() / self.held_out.weights.double().sum())


@contextmanager
def _one_thread() -> Iterator[None]:
    """Matrices of this size gain nothing from a second thread, and lose tenfold when others want its core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _loss(network: RobotNetwork, batch: Batch) -> Tensor:
    """Sum of the weighted losses."""
    return binary_cross_entropy_with_logits(network(batch.normalised), batch.robot, batch.weights, reduction="sum")
