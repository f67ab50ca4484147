"""How the columns of a file become the fields of clicks and purchases: `mapping.toml`, decoded and checked. Pure."""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from contracts.errors import Misconfigured
from contracts.events import Click, Purchase

MoneyUnit = Literal["micros", "cents", "units"]
Scalar = str | int | bool


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a field comes from: exactly one of `column`, `template`, `value`, `click`; the rest says how to read it."""

    column: str | None = None
    template: str | None = None  # such as "{ip}-{device}": columns, and {file} and {line} of the row
    value: Scalar | None = None  # the same for all rows
    click: str | None = None  # in a purchase: this field of the click of the same row
    time: str = "ms"  # of a time: "ms", "s", "iso", or a format such as "%Y-%m-%d %H:%M:%S"
    zone: str = "UTC"  # of a time that names no zone, such as "Europe/Berlin"
    money: MoneyUnit = "micros"  # of an amount: what one of the file's numbers is worth
    translate: dict[str, Scalar] | None = None  # from the file's words to ours
    otherwise: Scalar | None = None  # for words that are not in `translate`
    idle_minutes: float | None = None  # of a session_id: who the source names starts a new session after this gap


class Condition(Struct, frozen=True, forbid_unknown_fields=True):
    """A row has a purchase if the column holds one of the values; without values, if it is not empty."""

    column: str
    values: tuple[str, ...] | None = None


class FileFormat(Struct, frozen=True, forbid_unknown_fields=True):
    """How the file is written. `columns` names the columns of a file without a header row."""

    delimiter: str = ","
    quote: str = '"'
    columns: tuple[str, ...] | None = None


class Mapping(Struct, frozen=True, forbid_unknown_fields=True):
    """What each row becomes: a click, a purchase (if `purchase_if` holds), or both."""

    click: dict[str, Source] = {}
    purchase: dict[str, Source] = {}
    purchase_if: Condition | None = None
    file: FileFormat = FileFormat()


def read_mapping(document: bytes | str, where: str = "the mapping") -> Mapping:
    """Decode and check a mapping. Raises Misconfigured naming every fault."""
    try:
        mapping = msgspec.toml.decode(document, type=Mapping)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{where} cannot be read: {error}.") from error
    faults = [*_faults("click", mapping.click, Click), *_faults("purchase", mapping.purchase, Purchase)]
    if not mapping.click and not mapping.purchase:
        faults.append("it has neither a table [click] nor [purchase]")
    if mapping.purchase_if and not mapping.purchase:
        faults.append("purchase_if is of no use without a table [purchase]")
    if len(mapping.file.delimiter) != 1 or len(mapping.file.quote) > 1:
        faults.append("[file] delimiter must be one character, quote one or none")
    refuse(where, faults)
    return mapping


def refuse(where: str, faults: list[str]) -> None:
    """Raise Misconfigured if there is any fault."""
    if faults:
        listed = "".join(f"\n  - {fault}" for fault in faults)
        raise Misconfigured(f"{where} cannot be used:{listed}\ndocs/importing.md shows a mapping for every case.")


def _faults(table: str, sources: dict[str, Source], event: type[Struct]) -> list[str]:
    if not sources:
        return []
    fields = {field.name: field for field in msgspec.structs.fields(event)}
    unknown = [f"{table}.{name} is no field; there are {', '.join(fields)}" for name in sources if name not in fields]
    missing = [f"{table}.{name} is missing" for name, field in fields.items() if field.required and name not in sources]
    wrong = [fault for name, source in sources.items() for fault in _source_faults(f"{table}.{name}", source)]
    return [*unknown, *missing, *wrong]


def _source_faults(place: str, source: Source) -> list[str]:
    given = [name for name in ("column", "template", "value", "click") if getattr(source, name) is not None]
    faults: list[Any] = []
    if len(given) != 1:
        faults.append(f"{place} needs exactly one of column, template, value, click; it has {given or 'none'}")
    if source.click is not None and (not place.startswith("purchase.") or source.click not in Click.__struct_fields__):
        faults.append(f"{place} takes click = {source.click!r}: only a purchase can take a field of its row's click")
    if source.idle_minutes is not None and (place != "click.session_id" or source.idle_minutes <= 0):
        faults.append(f"{place} has idle_minutes: only click.session_id can, and it must be positive")
    if source.otherwise is not None and source.translate is None:
        faults.append(f"{place} has otherwise, which is of no use without translate")
    return faults
