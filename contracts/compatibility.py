"""Whether a changed event still fits everybody who reads and writes the old one. Pure, over JSON Schemas.

Records of a topic live for weeks, and their readers and writers are upgraded on different days:

    old record ──► new reader     every change: what was right must stay right
    new record ──► old reader     events that we write: what comes must be what was promised

So nothing may be taken away or tightened; in an event that we write, nothing that is there may be widened either. A
field may be added if it can be left out.
"""

from collections.abc import Iterator, Mapping
from operator import gt, lt, ne
from typing import Any

Schema = Mapping[str, Any]

LOWER_LIMITS = ("minimum", "exclusiveMinimum", "minLength", "minItems")
UPPER_LIMITS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
EXACT = ("pattern", "format", "multipleOf", "contentEncoding")


def incompatibilities(old: Schema, new: Schema, ours: bool) -> list[str]:
    """What a change of schema breaks, a sentence each with the field's path; `ours`: an event that we write."""
    broken = [f"{path}: {why}" for path, why in _Refusals(old, new, upgraded=True).of(old, new, "$")]
    if ours:
        old_reader = _Refusals(new, old, upgraded=False)
        broken += [f"{path}: {why}, as an old reader sees it" for path, why in old_reader.of(new, old, "$")]
    return broken


class _Refusals:
    """What a reader would refuse, or miss, of records that were right when they were written.

    `upgraded` says that the reader is the newer of the two: then a field that it does not know was taken away.
    """

    def __init__(self, written: Schema, read: Schema, upgraded: bool) -> None:
        self._written_definitions = written.get("$defs", {})
        self._read_definitions = read.get("$defs", {})
        self._upgraded = upgraded

    def of(self, written: Schema, read: Schema, path: str) -> Iterator[tuple[str, str]]:
        """Path and reason of each, for one value."""
        if self._upgraded and "default" in written and written["default"] != read.get("default"):
            yield path, f"a missing value meant {written['default']!r}, means {read.get('default')!r}"
        written = _resolved(written, self._written_definitions)
        read = _resolved(read, self._read_definitions)
        if "anyOf" in written or "anyOf" in read:
            yield from self._of_choices(written.get("anyOf", [written]), read.get("anyOf", [read]), path)
        elif "enum" in written and "enum" in read:
            gone = sorted(set(written["enum"]) - set(read["enum"]))
            if gone:
                yield path, f"does not allow {', '.join(map(repr, gone))}"
        elif "enum" in read or not _is_wide_enough(written, read):
            yield path, f"was {_kind(written)}, is {_kind(read)}"
        else:
            yield from self._of_limits(written, read, path)
            yield from self._of_parts(written, read, path)

    def _of_choices(self, written: list[Schema], read: list[Schema], path: str) -> Iterator[tuple[str, str]]:
        for choice in written:
            refusals = {_kind(other): list(self.of(choice, other, path)) for other in read}
            if all(refusals.values()):
                yield from refusals.get(_kind(choice), [(path, f"does not allow {_kind(choice)}")])

    def _of_limits(self, written: Schema, read: Schema, path: str) -> Iterator[tuple[str, str]]:
        for names, tighter in ((LOWER_LIMITS, gt), (UPPER_LIMITS, lt), (EXACT, ne)):
            for name in names:
                if name in read and (name not in written or tighter(read[name], written[name])):
                    yield path, f"{name} was {written.get(name, 'open')}, is {read[name]}"

    def _of_parts(self, written: Schema, read: Schema, path: str) -> Iterator[tuple[str, str]]:
        if "items" in written and "items" in read:
            yield from self.of(written["items"], read["items"], f"{path}[...]")
        before, after = written.get("properties", {}), read.get("properties", {})
        if self._upgraded:
            for name in sorted(before.keys() - after.keys()):
                yield f"{path}.{name}", "is gone"
        for name in sorted(set(read.get("required", ())) - set(written.get("required", ()))):
            yield f"{path}.{name}", "could be left out, is required"
        for name in sorted(before.keys() & after.keys()):
            yield from self.of(before[name], after[name], f"{path}.{name}")


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    while "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    return schema


def _is_wide_enough(written: Schema, read: Schema) -> bool:
    """Whether every value of the one type is of the other, limits apart."""
    if "enum" in written:
        return read.get("type") == "string" and all(isinstance(value, str) for value in written["enum"])
    types = (written.get("type"), read.get("type"))
    return types[0] == types[1] or types == ("integer", "number")


def _kind(schema: Schema) -> str:
    return "one of " + ", ".join(map(repr, schema["enum"])) if "enum" in schema else str(schema.get("type", "anything"))
