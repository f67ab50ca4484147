"""Attacks: robots of one kind, on top of all other traffic, from one time to another. Pure.

background   x  x x  x x   x xx  x  x x   at `clicks_per_s`, `robot_share` of it robots'
attack               |xxxxxxxxxx|         `clicks_per_s` of its own, from its first millisecond to its last
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from contracts.errors import Misconfigured
from traffic.columns import Window
from traffic.robots import ROBOTS

_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_AMOUNT = r"(\d+(?:\.\d+)?)([smhd])"
_FORM = re.compile(rf"([a-z_]+)@{_AMOUNT}\+{_AMOUNT}:(\d+(?:\.\d+)?)")
KINDS_OF_ROBOTS = tuple(robot.name for robot in ROBOTS)


class Attack(Struct, frozen=True):
    """Robots of this kind click `clicks_per_s` times a second, from `from_ms` up to, not including, `until_ms`."""

    kind: str
    from_ms: int
    until_ms: int
    clicks_per_s: float

    @property
    def window(self) -> Window:
        """When it goes on."""
        return Window(self.from_ms, self.until_ms)

    def later(self, by_ms: int) -> "Attack":
        """The same attack at another time."""
        return Attack(self.kind, self.from_ms + by_ms, self.until_ms + by_ms, self.clicks_per_s)


def parse_attack(text: str, start_ms: int) -> Attack:
    """`burst@10m+5m:50`: bursts from 10 minutes after `start_ms` on, for 5 minutes, at 50 clicks/s.

    Raises Misconfigured.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        raise Misconfigured(
            f"{text!r} is no attack; expected kind@start+duration:clicks_per_s with times in s, m, h or d, such as "
            "burst@10m+5m:50 (bursts, from 10 minutes after the beginning on, for 5 minutes, at 50 clicks/s)."
        )
    kind, start, start_unit, duration, duration_unit, clicks_per_s = form.groups()
    from_ms = start_ms + round(float(start) * _UNITS_MS[start_unit])
    return Attack(kind, from_ms, from_ms + round(float(duration) * _UNITS_MS[duration_unit]), float(clicks_per_s))


def check_attacks(attacks: Sequence[Attack], period: Window) -> None:
    """Raise Misconfigured for an attack that cannot be, or not in this period."""
    for attack in attacks:
        if attack.kind not in KINDS_OF_ROBOTS:
            raise Misconfigured(f"There are no {attack.kind!r} robots; an attack is by {', '.join(KINDS_OF_ROBOTS)}.")
        if attack.window.duration_ms <= 0 or attack.clicks_per_s <= 0:
            raise Misconfigured(
                f"An attack by {attack.kind} of {attack.window.duration_ms} ms at {attack.clicks_per_s} clicks/s makes "
                "no clicks: its duration and rate must be above 0."
            )
        if attack.from_ms < period.from_ms or attack.until_ms > period.until_ms:
            raise Misconfigured(
                f"The attack by {attack.kind} goes on from {(attack.from_ms - period.from_ms) / 1000:g} s to "
                f"{(attack.until_ms - period.from_ms) / 1000:g} s after the beginning; the simulation lasts "
                f"{period.duration_ms / 1000:g} s. Let it end with the simulation at the latest."
            )
