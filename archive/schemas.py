"""Arrow schemas of the archived topics, derived from the records of contracts/.

clicks       fields of `Click` without user_id, session_id, ip and query; keyed hashes; Kafka's place and time
purchases    fields of `Purchase`, with keyed hashes instead of user_id and session_id; Kafka's place
decisions    fields of `Decision`; the place of the record in `decisions`, since readers go by log order
feature-log  `contracts.feature_log.schema`, as wide as the message was; the place of the message in its partition
"""

from functools import lru_cache
from typing import Any, Final

import pyarrow as pa
from msgspec import Struct, inspect

from contracts import feature_log
from contracts.events import Click, Decision, Purchase
from contracts.features import FEATURE_IDS
from contracts.topics import Topic

HASH: Final = pa.binary(16)
# Whoever reads the archive must not learn who clicked, from where, or what they looked for.
DROPPED: Final = frozenset({"user_id", "session_id", "ip", "query"})
EVENTS: Final[dict[Topic, type[Struct]]] = {
    Topic.CLICKS: Click,
    Topic.PURCHASES: Purchase,
    Topic.DECISIONS: Decision,
}
SOURCE: Final = (pa.field("source_partition", pa.int32()), pa.field("source_offset", pa.int64()))
CLICK_EXTRAS: Final = (
    *(pa.field(name, HASH) for name in ("account_hash", "user_hash", "session_hash", "ip_hash")),
    pa.field("kafka_timestamp_ms", pa.int64()),
    *SOURCE,
)
LOG_OFFSET: Final = pa.field("log_offset", pa.int64())
DECISION_EXTRAS: Final = (pa.field("log_partition", pa.int32()), LOG_OFFSET)


@lru_cache
def schema_of(topic: Topic, features: int | None = None) -> Any:
    """Arrow schema of a topic's files; `features` is the width of the vector in the feature log."""
    if topic is Topic.FEATURE_LOG:
        logged = feature_log.schema(len(FEATURE_IDS) if features is None else features)
        return pa.schema([*logged, LOG_OFFSET])
    fields = event_fields(EVENTS[topic])
    kept = [field for name, field in fields.items() if name not in DROPPED]
    if topic is Topic.CLICKS:
        return pa.schema([*kept, *CLICK_EXTRAS])
    if topic is Topic.DECISIONS:
        return pa.schema([*kept, *DECISION_EXTRAS])
    first, last = ("purchase_id", "purchased_at_ms"), ("click_id", "value_micros", "currency")
    hashes = (pa.field("user_hash", HASH), pa.field("session_hash", HASH))
    later = [name for name in fields if name not in DROPPED | {*first, *last}]
    named = [fields[name] for name in (*last, *later)]
    return pa.schema([*(fields[name] for name in first), *hashes, *named, *SOURCE])


def event_fields(kind: type[Struct]) -> dict[str, Any]:
    """Arrow field of each field of an event, by name."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return {field.name: pa.field(field.name, _arrow_type(field.name, field.type)) for field in info.fields}


def _arrow_type(name: str, info: inspect.Type) -> Any:
    match info:
        case inspect.UnionType():
            (kind,) = (choice for choice in info.types if not isinstance(choice, inspect.NoneType))
            return _arrow_type(name, kind)
        case inspect.StrType() | inspect.LiteralType():
            return pa.string()
        case inspect.BoolType():
            return pa.bool_()
        case inspect.IntType():
            return pa.int32() if name.endswith("_partition") else pa.int64()
        case inspect.FloatType():
            return pa.float64()
        case inspect.VarTupleType():
            return pa.list_(_arrow_type(name, info.item_type))
    raise TypeError(f"No Arrow type is known for {name}: {info}. Add it to archive/schemas.py.")
