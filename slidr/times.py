"""Times on the command line."""

from datetime import UTC, datetime, timedelta

from contracts.errors import Misconfigured

_UNITS_MS = {"s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
TIME_HELP = "a time such as 2024-06-01T12:00 (UTC), or how long ago: 90min, 24h, 7d"


def parse_time(text: str, now_ms: int) -> int:
    """Milliseconds UTC of "2024-06-01T12:00", "2024-06-01T12:00+02:00", "90min", "24h" or "7d" (ago)."""
    for unit, unit_ms in _UNITS_MS.items():
        number = text.removesuffix(unit)
        if number != text and number.isdigit():
            return now_ms - int(number) * unit_ms
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Misconfigured(f"{text!r} is no time; expected {TIME_HELP}.") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def show_time(at_ms: int) -> str:
    """2024-06-01T12:00:00.000Z"""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def show_duration(seconds: float) -> str:
    """40 s, 95 min, 2 h 10 min"""
    minutes = round(seconds / 60)
    if minutes > 99:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes} min"
