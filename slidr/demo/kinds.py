"""Shares of clicks invalidated, by what made them. Pure."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from traffic.robots import HUMAN, KINDS

# Below this, the demo says that these robots are hard to catch.
LOW_RECALL: Final = 0.5

# What people read for each kind, from `traffic.robots`.
DESCRIPTIONS: Final = {
    HUMAN: "visits of one or two clicks, now and then a purchase",
    "burst": "one account clicks dozens of times, some seconds apart",
    "low_and_slow": "one account clicks every few minutes, for hours",
    "rotating": "a botnet clicks on one campaign from many homes and identities",
    "session_hopper": "one device takes a new session every few clicks",
    "imitator": "a person's pace, hours and household, but comes more often",
    "competitor": "a rival drains one campaign all through the working day",
    "crawler": "says what it is, and follows every link from a data centre",
}


class Caught(Struct, frozen=True):
    """Of `clicks` decided, so many are `invalid`."""

    clicks: int = 0
    invalid: int = 0

    def __add__(self, other: "Caught") -> "Caught":
        return Caught(self.clicks + other.clicks, self.invalid + other.invalid)

    @property
    def share(self) -> float | None:
        """Share invalidated; None of nothing."""
        return self.invalid / self.clicks if self.clicks else None


def in_order(kinds: Iterable[str]) -> list[str]:
    """People first, then robots in the order of the simulator."""
    return sorted(kinds, key=KINDS.index)


def hard_kinds(recall: dict[str, float]) -> list[str]:
    """Robots of which less than `LOW_RECALL` are caught, the hardest first."""
    return sorted((kind for kind, share in recall.items() if share < LOW_RECALL), key=recall.__getitem__)


def hard_sentence(recall: dict[str, float]) -> str:
    """Which robots mostly get through, as measured; empty if none do."""
    hard = hard_kinds(recall)
    if not hard:
        return ""
    listed = ", ".join(f"{kind} ({recall[kind]:.0%} caught)" for kind in hard)
    return (
        f"Hard to catch: {listed}. Click by click they are like people, and a threshold that caught more of them would "
        "invalidate more clicks of people than the budget allows."
    )
