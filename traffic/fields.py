"""One field's value out of a row's cells. Pure.

A mapping is compiled once, for the header of the file; a row then costs one call a field.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from operator import itemgetter
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts.errors import BadInput
from traffic.mapping import Scalar, Source

# Cells of a row, then the file's name and the row's line number.
Cells = Sequence[str]
Getter = Callable[[Cells], Any]
# Known in every template, unless the file has a column of that name.
ROW_COLUMNS = ("file", "line")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MICROS = {"micros": 1, "cents": 10_000, "units": 1_000_000}
_TRUE = {"1", "true", "t", "yes", "y"}
_FALSE = {"0", "false", "f", "no", "n"}
# An integer of 1e999999 takes minutes to make.
_LARGEST_EXPONENT = 30
# Times repeat in a file that is ordered by time.
_TIMES_REMEMBERED = 4096


def compile_field(field: str, source: Source, columns: Sequence[str], *, optional: bool) -> Getter:
    """Getter of a field's value from a column or template. Raises ValueError for one that does not fit the columns."""
    text = _template(source.template, columns) if source.template is not None else _column(source.column, columns)
    read = _translation(source) if source.translate is not None else _reader(field, source)
    if read is None:
        return (lambda cells: text(cells) or None) if optional else text
    place = source.column or source.template or field

    def get(cells: Cells) -> Any:
        found = text(cells)
        if not found and optional:
            return None
        try:
            return read(found)
        except (ValueError, ArithmeticError) as error:
            raise BadInput(f"{place} is {found!r}: {error}", field) from error

    return get


def _column(name: str | None, columns: Sequence[str]) -> Callable[[Cells], str]:
    return itemgetter(*_indexes([name or ""], columns))


def _template(template: str, columns: Sequence[str]) -> Callable[[Cells], str]:
    parts = list(Formatter().parse(template))
    indexes = _indexes([name for _, name, _, _ in parts if name is not None], columns)
    texts = [text.replace("{", "{{").replace("}", "}}") for text, _, _, _ in parts]
    fill = "".join(text + "{}" * (name is not None) for text, (_, name, _, _) in zip(texts, parts, strict=True)).format
    if len(indexes) < 2:  # itemgetter of one index gives no tuple
        return lambda cells: fill(*[cells[index] for index in indexes])
    pick = itemgetter(*indexes)
    return lambda cells: fill(*pick(cells))


def _indexes(names: list[str], columns: Sequence[str]) -> list[int]:
    known = [*columns, *ROW_COLUMNS]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"there is no column {', '.join(unknown)}")
    return [known.index(name) for name in names]


def _reader(field: str, source: Source) -> Callable[[str], Any] | None:
    """How the field's text is read; None for text that is taken as it is."""
    if field.endswith("_ms"):
        return _time_reader(source.time, source.zone)
    if field.endswith("_micros"):
        return _money_reader(_MICROS[source.money])
    if field == "logged_in":
        return _flag
    return _whole_number if field == "utc_offset_min" else None


def _translation(source: Source) -> Callable[[str], Scalar]:
    words = source.translate or {}

    def translate(found: str) -> Scalar:
        known = words.get(found, source.otherwise)
        if known is None:
            raise ValueError(f"expected one of {', '.join(words)}")
        return known

    return translate


def _time_reader(form: str, zone: str) -> Callable[[str], int]:
    try:
        place = UTC if zone == "UTC" else ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{zone!r} is no time zone such as 'Europe/Berlin'") from error
    if form == "ms":
        return _whole_number
    if form == "s":
        return lambda found: int((_number(found) * 1000).to_integral_value())
    if form == "iso":
        return lru_cache(_TIMES_REMEMBERED)(lambda found: _to_ms(datetime.fromisoformat(found), place))
    return lru_cache(_TIMES_REMEMBERED)(lambda found: _to_ms(datetime.strptime(found, form), place))


def _to_ms(moment: datetime, place: tzinfo) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=place)
    return (moment - _EPOCH) // _MILLISECOND


def _money_reader(micros: int) -> Callable[[str], int]:
    return lambda found: int((_number(found) * micros).to_integral_value())


def _number(found: str) -> Decimal:
    try:
        number = Decimal(found)
    except InvalidOperation as error:
        raise ValueError("expected a number") from error
    if not number.is_finite() or abs(number.adjusted()) > _LARGEST_EXPONENT:
        raise ValueError("expected a number of ordinary size")
    return number


def _whole_number(found: str) -> int:
    try:
        return int(found)
    except ValueError as error:
        raise ValueError("expected a whole number") from error


def _flag(found: str) -> bool:
    word = found.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("expected yes or no, true or false, 1 or 0")
