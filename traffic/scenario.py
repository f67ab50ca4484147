"""What to simulate, checked. Pure."""

from collections.abc import Sequence
from math import isfinite

from msgspec import Struct
from msgspec.structs import replace

from contracts.errors import Misconfigured
from traffic.attacks import Attack, check_attacks
from traffic.columns import Window
from traffic.sales import Sale, check_sales

PURCHASE_DELAY_S = 600.0
HISTORY_DAYS = 30.0


class Scenario(Struct, frozen=True):
    """Everything that a simulation depends on: equal scenarios make equal traffic.

    `clicks_per_s` is the mean over the whole duration without attacks and sales, and `robot_share` of those clicks are
    robots'. People buy `purchase_delay_s` (median) after a click, and have bought for `history_days` before the first.
    `shape`, if any, replaces the rhythm of people's day: relative loads, each for an equal part of the duration.
    """

    seed: int
    start_ms: int
    duration_ms: int
    clicks_per_s: float
    robot_share: float = 0.2
    purchase_delay_s: float = PURCHASE_DELAY_S
    history_days: float = HISTORY_DAYS
    attacks: Sequence[Attack] = ()
    shape: Sequence[float] = ()
    sales: Sequence[Sale] = ()

    @property
    def period(self) -> Window:
        """When clicks are made."""
        return Window(self.start_ms, self.start_ms + self.duration_ms)

    @property
    def clicks_per_ms(self) -> float:
        """Mean rate, attacks and sales left out."""
        return self.clicks_per_s / 1000

    @property
    def id_prefix(self) -> str:
        """What the ids of its clicks begin with."""
        return f"{self.seed:x}.{self.start_ms:x}"

    @property
    def expected_clicks(self) -> int:
        """Mean number of clicks, attacks and sales included."""
        attacks = sum(attack.clicks_per_s * attack.window.duration_ms for attack in self.attacks)
        buyers = sum((sale.factor - 1) * sale.window.duration_ms for sale in self.sales)
        sales = self.clicks_per_s * (1 - self.robot_share) * buyers
        return round((self.clicks_per_s * self.duration_ms + attacks + sales) / 1000)

    def starting_at(self, start_ms: int) -> "Scenario":
        """The same, attacks and sales included, at another time."""
        by_ms = start_ms - self.start_ms
        attacks = [attack.later(by_ms) for attack in self.attacks]
        return replace(self, start_ms=start_ms, attacks=attacks, sales=[sale.later(by_ms) for sale in self.sales])

    def check(self) -> None:
        """Raise Misconfigured if this makes no traffic."""
        if self.duration_ms <= 0 or self.clicks_per_s <= 0 or not 0 <= self.robot_share <= 1:
            raise Misconfigured(
                f"A simulation of {self.duration_ms} ms at {self.clicks_per_s} clicks/s with robot share "
                f"{self.robot_share} cannot be: duration and rate must be positive, the share between 0 and 1."
            )
        if self.purchase_delay_s <= 0 or self.history_days < 0:
            raise Misconfigured(
                f"Purchases {self.purchase_delay_s} s after clicks and {self.history_days} days before the first "
                "cannot be: the delay must be positive, the days of history positive or 0."
            )
        if self.shape and not (all(isfinite(load) and load >= 0 for load in self.shape) and any(self.shape)):
            raise Misconfigured("A load shape must be numbers of 0 and above, and not all of them 0.")
        check_attacks(self.attacks, self.period)
        check_sales(self.sales, self.period)
