"""Rows of a delimited text file to clicks and purchases, by a mapping. Pure: lines in, rows and bad rows out.

A row goes in entirely or not at all: if its purchase can't be read, its click is not sent either.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from contracts.errors import BadInput, Misconfigured
from contracts.events import Click, Purchase
from traffic.fields import Cells, Getter, compile_field
from traffic.mapping import Mapping, Source, refuse
from traffic.sessions import Sessions

E = TypeVar("E", Click, Purchase)


class Row(NamedTuple):
    """What a row became. `line` is the line of the file that it ends in."""

    line: int
    click: Click | None
    purchase: Purchase | None


class BadRow(NamedTuple):
    """A row that can't be used, and why."""

    line: int
    reason: str


def convert(lines: Iterable[str], mapping: Mapping, file_name: str) -> Iterator[Row | BadRow]:
    """Each row of the text as what it becomes. Raises Misconfigured if the mapping does not fit the file's columns."""
    form = mapping.file
    if form.quote:
        reader = csv.reader(lines, delimiter=form.delimiter, quotechar=form.quote)
    else:
        reader = csv.reader(lines, delimiter=form.delimiter, quoting=csv.QUOTE_NONE)
    columns = form.columns or next(reader, [])
    if not columns:
        raise Misconfigured(f"{file_name} is empty: expected a header row with the names of the columns.")
    converter = _Converter(mapping, list(columns), file_name)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(reader.line_num, f"not readable as delimited text: {error}")
            continue
        if cells:
            yield converter.row(cells, reader.line_num)


class _Converter:
    def __init__(self, mapping: Mapping, columns: list[str], file_name: str) -> None:
        self._columns = len(columns)
        self._file_name = file_name
        faults: list[str] = []
        self._click = _Fields(Click, mapping.click, columns, faults) if mapping.click else None
        self._purchase = _Fields(Purchase, mapping.purchase, columns, faults) if mapping.purchase else None
        self._purchase_if = mapping.purchase_if
        if mapping.purchase_if and mapping.purchase_if.column not in columns:
            faults.append(f"purchase_if: there is no column {mapping.purchase_if.column}")
        if faults:
            faults.append(f"the file's columns are {', '.join(columns)}")
        refuse(f"The mapping for {file_name}", faults)
        if mapping.purchase_if:
            self._purchase_column = columns.index(mapping.purchase_if.column)

    def row(self, cells: list[str], line: int) -> Row | BadRow:
        if len(cells) != self._columns:
            return BadRow(line, f"has {len(cells)} cells, expected {self._columns}")
        try:
            _check_utf8(cells)
            cells += (self._file_name, str(line))
            click = self._click.make(cells, None) if self._click else None
            purchase = self._purchase.make(cells, click) if self._purchase and self._has_purchase(cells) else None
        except BadInput as error:
            return BadRow(line, f"{error.path}: {error}")
        return Row(line, click, purchase)

    def _has_purchase(self, cells: Cells) -> bool:
        if self._purchase_if is None:
            return True
        cell, values = cells[self._purchase_column], self._purchase_if.values
        return bool(cell) if values is None else cell in values


class _Fields(Generic[E]):
    """Makes one kind of event out of a row. Appends to `faults` what does not fit the columns."""

    def __init__(self, event: type[E], sources: dict[str, Source], columns: Sequence[str], faults: list[str]) -> None:
        self._event: type[E] = event
        self._constants = {name: source.value for name, source in sources.items() if source.value is not None}
        self._from_click = {name: source.click for name, source in sources.items() if source.click is not None}
        self._getters: list[tuple[str, Getter]] = []
        optional = {field.name for field in msgspec.structs.fields(event) if not field.required}
        for name, source in sources.items():
            if name not in self._constants and name not in self._from_click:
                try:
                    self._getters.append((name, compile_field(name, source, columns, optional=name in optional)))
                except ValueError as error:
                    faults.append(f"{name}: {error}")
        idle_minutes = sources["session_id"].idle_minutes if "session_id" in sources else None
        self._sessions = Sessions(round(idle_minutes * 60_000)) if idle_minutes else None

    def make(self, cells: Cells, click: Click | None) -> E:
        """The row's event. Raises BadInput; `path` is the field."""
        values: dict[str, Any] = dict(self._constants)
        for name, get in self._getters:
            values[name] = get(cells)
        for name, field in self._from_click.items():
            values[name] = getattr(click, field)
        if self._sessions is not None:
            values["session_id"] = self._sessions.of(values["session_id"], values["clicked_at_ms"])
        try:
            made: E = msgspec.convert(values, self._event)
        except msgspec.ValidationError as error:
            fault, _, place = str(error).partition(" - at `$.")
            raise BadInput(fault, place.rstrip("`") or "$") from error
        return made


def _check_utf8(cells: list[str]) -> None:
    # Files are opened with `surrogateescape`, so that one bad byte costs one row.
    joined = "".join(cells)
    if not joined.isascii():
        try:
            joined.encode()
        except UnicodeEncodeError as error:
            raise BadInput("the row is not valid UTF-8", "$") from error
