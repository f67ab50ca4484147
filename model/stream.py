"""Mini-batches from labelled files, shuffled within bounded memory; the same seed gives the same batches.

row groups     1 2 3 4 5 6 7 8 9    in an order drawn anew for each epoch, or some of them, if there are too many
buffers        [7 2 9][4 1 8][...]  as many as fit; their clicks are shuffled among each other
batches        |..|..|..|..|.       cut from the buffers, what is left over goes before the next
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.normalise import Normalisation
from model.reading import Group, Labelled

# Some 110 MB of features, and two or three times that while they are put together.
BUFFER_ROWS: Final = 1 << 19


class Batch(NamedTuple):
    """Clicks on the device: normalised features (n, F), 1 for robot and 0 for human (n,), weights (n,)."""

    normalised: Tensor
    robot: Tensor
    weights: Tensor

    def rows(self, chosen: Tensor | slice) -> "Batch":
        """Some of them."""
        return Batch(self.normalised[chosen], self.robot[chosen], self.weights[chosen])


class Draws:
    """Which row groups an epoch reads: all of them, or the next of a seeded order up to `rows_most` clicks."""

    def __init__(self, groups: tuple[Group, ...], rows_most: int, seed: int) -> None:
        self._groups, self._rows_most = groups, rows_most
        self._random = np.random.default_rng([seed, 1])
        self._all = sum(group.rows for group in groups) <= rows_most
        self._left: list[Group] = []

    def next(self) -> list[Group]:
        """Of the next epoch, in random order; with too many to read, every group comes once before any comes again."""
        if self._all:
            return self._shuffled()
        drawn: list[Group] = []
        while not drawn or sum(group.rows for group in drawn) < self._rows_most:
            self._left = self._left or self._shuffled()
            drawn.append(self._left.pop())
        return drawn

    def _shuffled(self) -> list[Group]:
        return [self._groups[i] for i in self._random.permutation(len(self._groups))]


class Stream:
    """Labelled clicks as batches on a device, by the weights of their cells (CELLS, 2)."""

    def __init__(
        self,
        labelled: Labelled,
        columns: npt.NDArray[np.intp] | None,
        normalisation: Normalisation,
        weights: npt.NDArray[np.float32],
        device: torch.device,
    ) -> None:
        self._labelled, self._columns, self._device = labelled, columns, device
        self._normalisation, self._weights = normalisation, weights
        # What fits into one buffer is read once and not again in every epoch.
        self._kept: tuple[frozenset[Group], Batch] | None = None

    def load(self, groups: list[Group]) -> Batch:
        """The clicks of these row groups, in this order."""
        parts = [self._normalised(group) for group in groups]
        return Batch(*(torch.cat(columns).to(self._device) for columns in zip(*parts, strict=True)))

    def batches(self, groups: list[Group], batch_rows: int, generator: torch.Generator) -> Iterator[Batch]:
        """The clicks of these row groups, shuffled, in batches of one size but for the last."""
        left: Batch | None = None
        for buffer in self._buffers(groups):
            order = torch.randperm(len(buffer.robot), generator=generator).to(self._device)
            start = 0
            if left is not None:
                start = min(batch_rows - len(left.robot), len(order))
                left = _joined(left, buffer.rows(order[:start]))
                if len(left.robot) == batch_rows:
                    yield left
                    left = None
            for rows in torch.split(order[start:], batch_rows):
                if len(rows) == batch_rows:
                    yield buffer.rows(rows)
                elif len(rows):
                    left = buffer.rows(rows)
        if left is not None:
            yield left

    def _buffers(self, groups: list[Group]) -> Iterator[Batch]:
        if sum(group.rows for group in groups) <= BUFFER_ROWS:
            yield self._read_once(groups)
            return
        waiting: list[Group] = []
        for group in groups:
            if waiting and sum(g.rows for g in waiting) + group.rows > BUFFER_ROWS:
                yield self.load(waiting)
                waiting = []
            waiting.append(group)
        yield self.load(waiting)

    def _read_once(self, groups: list[Group]) -> Batch:
        if self._kept is None or self._kept[0] != frozenset(groups):
            self._kept = frozenset(groups), self.load(sorted(groups))
        return self._kept[1]

    def _normalised(self, group: Group) -> Batch:
        (taught,) = self._labelled.of([group]).taught(self._columns)
        weights = self._weights[taught.cell, taught.human.astype(np.intp)]
        return Batch(
            torch.from_numpy(self._normalisation.apply(taught.features)),
            torch.from_numpy((~taught.human).astype(np.float32)),
            torch.from_numpy(weights),
        )


def _joined(first: Batch, second: Batch) -> Batch:
    return Batch(*(torch.cat(columns) for columns in zip(first, second, strict=True)))
