"""What training is asked for and what it tells, for whoever need not load torch, which takes seconds."""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Schedule:
    """How training runs. It stops after `patience` epochs without a lower validation loss.

    An epoch reads at most about `rows_per_epoch` clicks, others each time, and validation `validation_rows`: seeded
    samples of row groups, where there are more.
    """

    seed: int = 1
    max_epochs: int = 30
    patience: int = 4
    batch_rows: int = 1024
    learning_rate: float = 1e-3
    l2: float = 1e-4
    rows_per_epoch: int = 2_000_000
    validation_rows: int = 500_000


class Epoch(NamedTuple):
    """Weighted mean cross-entropy after an epoch, in nats."""

    number: int
    training_loss: float
    validation_loss: float


class Listener:
    """Hears how training gets on; this one does nothing."""

    def epoch(self, epoch: Epoch) -> None:
        """An epoch has ended."""

    def rows(self, done: int, at_most: int) -> None:
        """So many clicks have been learned from, of so many if training is not stopped earlier."""
