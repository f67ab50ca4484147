"""How far features counted again, and the verdicts on them, are those that were logged."""

from msgspec import Struct

from contracts.events import Offset


class Unexplained(Struct, frozen=True):
    """A click whose features, or verdict alone, differ for no reason that is known."""

    click_id: str
    partition: int
    offset: Offset
    features: tuple[str, ...]


class Agreed(Struct, frozen=True):
    """Of `clicks`: `equal` have every feature bit for bit; differences and verdicts that differ, by what explains them.

    `features` is how many clicks have each feature bit for bit. Of `verdicts_unknown` the release that decided cannot
    be read any more. `named` are the first of those that are not explained.
    """

    clicks: int
    equal: int
    shared: int
    without_state: int
    unexplained: int
    verdicts_equal: int
    verdicts_explained: int
    verdicts_unexplained: int
    verdicts_unknown: int
    features: dict[str, int]
    named: tuple[Unexplained, ...] = ()

    @property
    def verdict_ratio(self) -> float:
        """Share of clicks with the verdict that was logged, of those with a known one; 1 if there are none."""
        known = self.clicks - self.verdicts_unknown
        return self.verdicts_equal / known if known else 1.0
