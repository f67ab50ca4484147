"""Sales: more people than usual, from one time to another; they click and buy as people do. Pure.

people      ~~~~~~~~~~~~~~~~~~~~~~~~     by the hour of their day
sale               |~~~~~~|              as many again, times `factor` - 1, of the same town
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from contracts.errors import Misconfigured
from traffic.columns import Window

_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_AMOUNT = r"(\d+(?:\.\d+)?)([smhd])"
_FORM = re.compile(rf"{_AMOUNT}\+{_AMOUNT}:(\d+(?:\.\d+)?)")


class Sale(Struct, frozen=True):
    """From `from_ms` up to, not including, `until_ms`, people click `factor` times as often as they would."""

    from_ms: int
    until_ms: int
    factor: float

    @property
    def window(self) -> Window:
        """When it goes on."""
        return Window(self.from_ms, self.until_ms)

    def later(self, by_ms: int) -> "Sale":
        """The same sale at another time."""
        return Sale(self.from_ms + by_ms, self.until_ms + by_ms, self.factor)


def parse_sale(text: str, start_ms: int) -> Sale:
    """`5d+1d:2`: from 5 days after `start_ms` on, for a day, people click twice as often. Raises Misconfigured."""
    form = _FORM.fullmatch(text)
    if form is None:
        raise Misconfigured(
            f"{text!r} is no sale; expected start+duration:factor with times in s, m, h or d, such as 5d+1d:2 (from 5 "
            "days after the beginning on, for a day, people click twice as often)."
        )
    start, start_unit, duration, duration_unit, factor = form.groups()
    from_ms = start_ms + round(float(start) * _UNITS_MS[start_unit])
    return Sale(from_ms, from_ms + round(float(duration) * _UNITS_MS[duration_unit]), float(factor))


def check_sales(sales: Sequence[Sale], period: Window) -> None:
    """Raise Misconfigured for a sale that cannot be, or not in this period."""
    for sale in sales:
        if sale.window.duration_ms <= 0 or sale.factor <= 1:
            raise Misconfigured(
                f"A sale of {sale.window.duration_ms} ms with {sale.factor:g} times the clicks brings nobody: its "
                "duration must be above 0 and its factor above 1."
            )
        if sale.from_ms < period.from_ms or sale.until_ms > period.until_ms:
            raise Misconfigured(
                f"The sale goes on from {(sale.from_ms - period.from_ms) / 1000:g} s to "
                f"{(sale.until_ms - period.from_ms) / 1000:g} s after the beginning; the simulation lasts "
                f"{period.duration_ms / 1000:g} s. Let it end with the simulation at the latest."
            )
