"""Estimates: exact where all was read; otherwise their interval holds the truth as often as it says."""

import numpy as np
import pytest

from replay.estimate import CONFIDENCE, Block, estimated

BLOCKS = 240
NAMES = ("flips", "flips EUR")


def population(blocks: int, share: float, bursts: bool, random: np.random.Generator) -> list[Block]:
    """Blocks of different sizes; flips come alike everywhere, or in bursts."""
    sizes = random.integers(20, 400, blocks)
    shares = np.where(random.random(blocks) < 0.1, min(1.0, share * 10), 0.0) if bursts else np.full(blocks, share)
    flips = random.binomial(sizes, shares)
    costs = [int(random.integers(1, 1_000, n).sum()) for n in flips]
    return [
        Block(int(size), {"flips": int(n)}, {"flips EUR": cost})
        for size, n, cost in zip(sizes, flips, costs, strict=True)
    ]


def test_what_was_read_whole_is_counted() -> None:
    blocks = [Block(10, {"flips": 2}, {"flips EUR": 7}), Block(5, {"flips": 0}, {})]

    found = estimated(blocks, 15, 1.0)

    assert (found["flips"].low, found["flips"].value, found["flips"].high) == (2, 2, 2)
    assert (found["flips EUR"].low, found["flips EUR"].high) == (7, 7)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.05, 0.5])
@pytest.mark.parametrize("bursts", [False, True])
def test_the_interval_holds_the_truth(share: float, bursts: bool) -> None:
    random = np.random.default_rng(1)
    everything = population(4_000, share, bursts, random)
    clicks = sum(block.clicks for block in everything)
    truth = {name: sum({**block.counts, **block.sums}[name] for block in everything) for name in NAMES}
    trials = 200

    found = [
        estimated([everything[i] for i in random.choice(4_000, BLOCKS, replace=False)], clicks, BLOCKS / 4_000)
        for _ in range(trials)
    ]

    held = {name: sum(one[name].low <= truth[name] <= one[name].high for one in found) for name in NAMES}
    assert held["flips"] / trials >= CONFIDENCE - 0.02
    # Where flips are rare, their money is told by a handful of blocks.
    assert held["flips EUR"] / trials >= (CONFIDENCE - 0.02 if share >= 0.05 or share == 0 else 0.9)
