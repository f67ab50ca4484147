"""Scored clicks made up for tests: people score low, robots high, both with some chance."""

from collections.abc import Mapping, Sequence

import numpy as np

from contracts.scored import Scored

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
# A Monday.
START_MS = 1_704_067_200_000
PARENTS = {"app|user": "user", "web|user": "user", "app|guest": "guest", "web|guest": "guest"} | {
    "user": "all",
    "guest": "all",
}
SLICES = ("app|user", "app|guest", "web|user", "web|guest")


def traffic(
    seed: int = 1,
    clicks: Mapping[str, int] | None = None,
    days: float = 4,
    start_ms: int = START_MS,
    robots: float = 0.25,
    buyers: float = 0.1,
    ruled: float = 0.01,
) -> Scored:
    """Clicks of each slice by chance; guests look more like robots than users do."""
    counts = dict.fromkeys(SLICES, 2000) if clicks is None else dict(clicks)
    chance = np.random.default_rng(seed)
    index = np.repeat(np.arange(len(SLICES)), [counts.get(name, 0) for name in SLICES])
    n = len(index)
    robot = chance.random(n) < robots
    blur = np.where(np.isin(index, [i for i, name in enumerate(SLICES) if "guest" in name]), 4.0, 8.0)
    people = chance.beta(1.5, blur)
    score = np.where(robot, chance.beta(5, 2, n), people)
    at_ms = start_ms + (chance.random(n) * days * DAY_MS).astype(np.int64)
    return Scored(
        slices=SLICES,
        score=np.round(score, 6),
        slice_index=index.astype(np.int16),
        purchasing=~robot & (chance.random(n) < buyers),
        by_rules=chance.random(n) < np.where(robot, 5 * ruled, ruled),
        session_clicks_1h=np.where(robot, chance.integers(1, 40, n), chance.integers(1, 7, n)).astype(np.float32),
        hour_of_week=((at_ms - START_MS) // HOUR_MS % 168).astype(np.int16),
        clicked_at_ms=at_ms,
        kinds=("human", "burst"),
        kind_index=robot.astype(np.int16),
    )


def clicks_of(
    scores: Sequence[float], purchasing: Sequence[bool], by_rules: Sequence[bool] | None = None, hours: float = 1.0
) -> Scored:
    """Clicks of a single slice, `all`, spread over some hours."""
    n = len(scores)
    return Scored(
        slices=("all",),
        score=np.array(scores, np.float64),
        slice_index=np.zeros(n, np.int16),
        purchasing=np.array(purchasing, bool),
        by_rules=np.zeros(n, bool) if by_rules is None else np.array(by_rules, bool),
        session_clicks_1h=np.full(n, 9, np.float32),
        hour_of_week=np.zeros(n, np.int16),
        clicked_at_ms=START_MS + (np.arange(n) * hours * HOUR_MS / max(1, n)).astype(np.int64),
    )
