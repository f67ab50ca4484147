"""Live clicks as the sentinel counts them, by chance: people and robots in slices, judged by two releases."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from contracts.verdicts import Band, SliceBands
from guardrails.sentinel.state import HOUR_MS, MINUTE_MS, Counts, Summary, Tail

# 2024-01-01T00:00:00Z, a Monday.
START_MS = 1_704_067_200_000
STABLE, ACTIVE = "stable", "active"
# Clicks of people per second at noon.
SLICES = {"desktop|user": 8.0, "desktop|guest": 4.0, "mobile|user": 8.0, "mobile|guest": 5.0, "tablet|guest": 0.3}
NORMAL = SliceBands(ivr=(Band(0.1, 0.4),) * 168, coverage=Band(0.5, 0.9), fpr=Band(0.01, 0.08))
EXPECTED = dict.fromkeys(SLICES, NORMAL)


@dataclass(frozen=True)
class Judged:
    """Chances that a release holds clicks invalid, by slice; `..._differ`: that two releases judge apart."""

    people: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(SLICES, 0.06))
    robots: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(SLICES, 0.75))
    people_differ: float = 0.015
    robots_differ: float = 0.12


SOUND = Judged()


def invalidating_half_of_mobile() -> Judged:
    """A faulty release."""
    half = {name: 0.53 if name.startswith("mobile") else 0.06 for name in SLICES}
    return replace(SOUND, people=half)


@dataclass
class World:
    """Traffic from `at_ms` on.

    `robots`: their clicks per person's; `attack` times these, and `crowd` times people's; `seen`: the share of robots'
    clicks that the shadow finds.
    """

    seed: int
    at_ms: int = START_MS
    robots: float = 0.25
    attack: float = 1.0
    crowd: float = 1.0
    seen: float = 0.75
    buyers: float = 0.05
    step_s: int = 10

    def __post_init__(self) -> None:
        self._chance = np.random.default_rng(self.seed)
        self._moods = self._chance.uniform(0.8, 1.25, 400)  # a day's share of robots

    def run(self, seconds: float, version: str, judged: Judged, shadow: str | None = None) -> Iterator[Summary]:
        """Summaries of so many seconds, decided by `version`, a sound `shadow` beside it."""
        for _ in range(round(seconds / self.step_s)):
            yield self._step(version, judged, shadow)
            self.at_ms += 1000 * self.step_s

    def _step(self, version: str, judged: Judged, shadow: str | None) -> Summary:
        counts, tails = {}, {}
        hour = self.at_ms % (24 * HOUR_MS) / HOUR_MS
        day = 0.6 - 0.4 * np.cos(2 * np.pi * (hour - 3) / 24)
        for name, per_s in SLICES.items():
            people = int(self._chance.poisson(per_s * self.step_s * day * self.crowd))
            mood = self._moods[self.at_ms // (24 * HOUR_MS) % 400]
            robots = int(self._chance.poisson(per_s * self.step_s * 0.6 * self.robots * self.attack * mood))
            counts[name], tails[name] = self._slice(name, people, robots, judged, shadow is not None)
        last_ms = self.at_ms + 1000 * self.step_s - 1
        return Summary(
            version, shadow, self.at_ms, last_ms, {self.at_ms // MINUTE_MS: counts}, {self.at_ms // HOUR_MS: tails}
        )

    def _slice(self, name: str, people: int, robots: int, judged: Judged, paired: bool) -> tuple[Counts, Tail]:
        mine_p, theirs_p, newly_p, restored_p = self._verdicts(people, judged.people[name], 0.06, judged.people_differ)
        mine_r, theirs_r, newly_r, restored_r = self._verdicts(
            robots, judged.robots[name], self.seen, judged.robots_differ
        )
        counts = Counts(people + robots, mine_p + mine_r)
        if paired:
            counts = Counts(
                people + robots,
                mine_p + mine_r,
                people + robots,
                theirs_p + theirs_r,
                newly_p + newly_r,
                restored_p + restored_r,
            )
        bought = int(self._chance.binomial(people, self.buyers))
        bought_invalid = int(self._chance.binomial(bought, judged.people[name] * 0.6))
        return counts, Tail(robots, mine_r, bought, bought_invalid)

    def _verdicts(self, n: int, mine: float, theirs: float, differ: float) -> tuple[int, int, int, int]:
        """Invalid by the release, by the shadow, by the release alone, by the shadow alone."""
        drawn = self._chance.random((3, n))
        ours = drawn[0] < mine
        shadow = np.where(drawn[1] < differ, drawn[2] < theirs, drawn[0] < theirs)
        return int(ours.sum()), int(shadow.sum()), int((ours & ~shadow).sum()), int((~ours & shadow).sum())
