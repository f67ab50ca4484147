"""What a picture is drawn from."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from slidr.demo.follow import Sample
from slidr.demo.kinds import Caught
from slidr.demo.outcome import Outcome
from slidr.demo.schedule import HOUR_MS, LIVE_FROM_MS


class Span(NamedTuple):
    """An attack, in hours of the live day."""

    kind: str
    from_h: float
    until_h: float


class Story(NamedTuple):
    """A run: its figures, samples taken while it ran, and verdicts by kind for each `bin_h` hours of the live day.

    `live_s` is how long the live day took, `catch_up_s` the backlog day before it.
    """

    outcome: Outcome
    samples: Sequence[Sample]
    catch_up_s: float
    live_s: float
    bin_h: float
    by_time: Mapping[str, Sequence[Caught]]
    workers: int
    partitions: int
    machine: Mapping[str, str]

    @property
    def attacks(self) -> list[Span]:
        """In the order in which they begin."""
        spans = [
            Span(attack.kind, (attack.from_ms - LIVE_FROM_MS) / HOUR_MS, (attack.until_ms - LIVE_FROM_MS) / HOUR_MS)
            for attack in self.outcome.attacks
        ]
        return sorted(spans, key=lambda span: span.from_h)

    @property
    def live_samples(self) -> list[Sample]:
        """Those of the live day."""
        return [sample for sample in self.samples if 0 <= sample.hour <= 24]
