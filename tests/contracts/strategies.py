"""Events as hypothesis makes them, and values just beyond the limits: both follow the types in contracts/."""

from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

CURRENCIES = st.from_regex(r"\A[A-Z]{3}\Z")


def events(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Every event of this kind that the limits allow."""
    return values(inspect.type_info(kind))


def values(info: inspect.Type) -> st.SearchStrategy[Any]:
    """Every value of a type."""
    match info:
        case inspect.StructType():
            return st.builds(info.cls, **{field.name: values(field.type) for field in info.fields})
        case inspect.UnionType():
            return st.one_of([values(choice) for choice in info.types])
        case inspect.LiteralType():
            return st.sampled_from(info.values)
        case inspect.StrType():
            return CURRENCIES if info.pattern else st.text(min_size=info.min_length or 0, max_size=info.max_length)
        case inspect.IntType() | inspect.FloatType():
            return numbers(info)
        case inspect.DictType():
            return st.dictionaries(values(info.key_type), values(info.value_type), max_size=3)
        case inspect.VarTupleType():
            return st.lists(values(info.item_type), max_size=5).map(tuple)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
    raise AssertionError(f"no strategy for {info}")


def numbers(info: inspect.IntType | inspect.FloatType) -> st.SearchStrategy[Any]:
    """Every number that the limits allow."""
    if isinstance(info, inspect.FloatType):
        return st.floats(info.gt, exclude_min=info.gt is not None, allow_nan=False, allow_infinity=False)
    return st.integers(-(2**63) if info.ge is None else info.ge, 2**63 - 1 if info.le is None else info.le)


# What a reader in a hurry might let through, for each type.
OTHER_TYPES: dict[type[inspect.Type], tuple[Any, ...]] = {
    inspect.LiteralType: ("no such word", 1, None),
    inspect.StrType: (7, None),
    inspect.IntType: ("1", 1.5, None, True),
    inspect.BoolType: (0, "true", None),
    inspect.FloatType: ("0.5", None),
    inspect.VarTupleType: ("text", None, [{}]),
    inspect.StructType: ("text", [], None),
    inspect.DictType: ("text", [], None),
}


def beyond(info: inspect.Type) -> Iterator[Any]:
    """Values that the type just does not allow, as they would stand in JSON."""
    if isinstance(info, inspect.UnionType):
        for choice in info.types:
            if not isinstance(choice, inspect.NoneType):
                yield from (value for value in beyond(choice) if value is not None)
        return
    yield from OTHER_TYPES[type(info)]
    if isinstance(info, inspect.IntType):
        yield from () if info.ge is None else (info.ge - 1,)
        yield from () if info.le is None else (info.le + 1,)
    if isinstance(info, inspect.FloatType):
        yield from () if info.gt is None else (info.gt,)
    if isinstance(info, inspect.StrType):
        yield from ("eur", "EU", "EURO", "€€€") if info.pattern else ()
        yield from ("a" * (info.min_length - 1),) if info.min_length else ()
        yield from () if info.max_length is None else ("a" * (info.max_length + 1),)
