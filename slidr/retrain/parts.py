"""How a history is cut by time, so that nothing is learned from what comes later. Pure.

    history    |------------- 4/7 -------------|---- 1/7 ----|maturity|---- 1/7 ----|---- 1/7 ----|maturity|
                the network learns              and stops              threshold     measured              as of
    purchases   known when the threshold's part begins make labels; later ones only calibrate and measure

Clicks of the maturity in the middle are used by nobody: when learning ends it is not known yet who of them buys.
"""

from typing import Final, NamedTuple

from contracts.errors import Refused

_PARTS: Final = 7
_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS


class Parts(NamedTuple):
    """Where each part begins and ends, in milliseconds UTC; ends are not included."""

    training_ms: int
    validation_ms: int
    learned_ms: int
    calibration_ms: int
    test_ms: int
    end_ms: int

    @property
    def training_span_ms(self) -> int:
        """Length of the part that the network learns from."""
        return self.validation_ms - self.training_ms


def split(from_ms: int, until_ms: int, maturity_ms: int) -> Parts:
    """Cut the time in which clicks are mature. Raises Refused for one that is too short."""
    span_ms = until_ms - from_ms - maturity_ms
    if span_ms < _PARTS * _MINUTE_MS:
        raise Refused(
            f"The history has {max(0, until_ms - from_ms) / _HOUR_MS:.1f} h of clicks old enough to be labelled; "
            f"at least {(_PARTS * _MINUTE_MS + maturity_ms) / _HOUR_MS:.1f} h are needed to train, calibrate and "
            "measure on different ones. Take a longer one, begin earlier, or lower the maturity."
        )
    at = [from_ms + span_ms * part // _PARTS for part in range(_PARTS + 1)]
    return Parts(at[0], at[4], at[5], at[5] + maturity_ms, at[6] + maturity_ms, at[7] + maturity_ms)
