"""Load shapes from a file: how many requests there were in each minute of some real time. Pure: lines in, loads out.

    period,count
    1998-06-25 00:00:00,20295      the first column is not looked at, the last is how busy it was

The rows are stretched over the whole simulated duration, each over an equal part of it, whatever time lay between them.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

from contracts.errors import BadInput, Misconfigured

_MOST_ROWS = 1_000_000
_MOST_REQUESTS = 10**12


def read_shape(lines: Iterable[str]) -> list[float]:
    """Load of each row, after a header. Raises BadInput with the line of the first row that is none."""
    loads: list[float] = []
    reader = csv.reader(lines)
    next(reader, None)
    try:
        for cells in filter(None, reader):
            loads.append(_load(cells, reader.line_num))
            if len(loads) > _MOST_ROWS:
                raise BadInput(f"more than {_MOST_ROWS:,} rows; add up some of them", f"line {reader.line_num}")
    except csv.Error as error:
        raise BadInput(f"not readable as CSV: {error}", f"line {reader.line_num}") from error
    if not any(loads):
        raise BadInput("no row with a count above 0 after the header", "line 2")
    return loads


def load_shape(path: Path) -> list[float]:
    """Shape of a file. Raises Misconfigured."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return read_shape(lines)
    except BadInput as error:
        raise Misconfigured(f"{path}, {error.path}: {error}.") from error
    except (OSError, UnicodeError) as error:
        raise Misconfigured(f"The load shape {path} cannot be read: {error}.") from error


def _load(cells: list[str], line: int) -> float:
    try:
        load = float(cells[-1])
    except ValueError as error:
        raise BadInput(f"the last column is {cells[-1]!r}; expected a number of requests", f"line {line}") from error
    if not 0 <= load <= _MOST_REQUESTS:
        raise BadInput(f"the last column is {cells[-1]!r}; expected 0 or more requests (at most 10^12)", f"line {line}")
    return load
