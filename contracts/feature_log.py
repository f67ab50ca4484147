"""The feature log's wire format: one Arrow record batch per source partition and moment.

A message is the batch's body alone; the schema is known by the id in the header `schema`, since features are only
ever added at the end of the table: "1-53" is format 1 with the first 53 features. Headers also name the batch's
first and last source offset and the id of the `clicks` topic that they belong to; and, where shadow scores stand in
the rows, the version of the release that gave them.
"""

from collections.abc import Mapping, Sequence
from enum import IntFlag
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec.structs import astuple

from contracts.errors import BadInput
from contracts.events import Decision
from contracts.features import FEATURE_IDS
from contracts.ports import FloatMatrix

FORMAT = 1
SCHEMA_HEADER = "schema"
FIRST_OFFSET_HEADER = "first-offset"
LAST_OFFSET_HEADER = "last-offset"
CLICKS_TOPIC_ID_HEADER = "clicks-topic-id"
SHADOW_HEADER = "shadow"


class Flag(IntFlag):
    """What is particular about a row. Rows with any flag are not trained on."""

    UNCOUNTED_LATE = 1  # older than the longest window when it reached Kafka
    UNCOUNTED_FUTURE = 2  # from further in the future than the bound
    ANSWER_GONE = 4  # decided again after a crash and a loss of state: features read from the current state
    COLD = 8  # decided while lost state was still being counted again


_DECISION_TYPES: dict[str, Any] = {
    "click_id": pa.string(),
    "advertiser_id": pa.string(),
    "campaign_id": pa.string(),
    "ad_id": pa.string(),
    "cost_micros": pa.int64(),
    "currency": pa.string(),
    "clicked_at_ms": pa.int64(),
    "decided_at_ms": pa.int64(),
    "verdict": pa.string(),
    "reason": pa.string(),
    "rules": pa.list_(pa.string()),
    "score": pa.float64(),
    "threshold": pa.float64(),
    "slice": pa.string(),
    "model_version": pa.string(),
    "run": pa.string(),
    "revision": pa.int64(),
    "supersedes": pa.string(),
    "source_partition": pa.int32(),
    "source_offset": pa.int64(),
}
_SAME_IN_A_BATCH = {"model_version", "run", "revision", "supersedes", "source_partition"}
_REPEATED_ROWS = 1_024
assert tuple(_DECISION_TYPES) == Decision.__struct_fields__
_DECISION_FIELDS = [pa.field(name, kind) for name, kind in _DECISION_TYPES.items()]


@lru_cache
def schema(features: int = len(FEATURE_IDS)) -> Any:
    """Arrow schema of a batch with the first `features` rows of the feature table."""
    return pa.schema(
        [
            *_DECISION_FIELDS,
            pa.field("features", pa.list_(pa.float32(), features)),
            pa.field("shadow_score", pa.float32()),
            pa.field("shadow_verdict", pa.string()),
            pa.field("account_hash", pa.binary(16)),
            pa.field("session_clicks_1h", pa.float32()),
            pa.field("flags", pa.uint16()),
        ]
    )


def schema_id(features: int = len(FEATURE_IDS)) -> str:
    """Value of the header `schema`."""
    return f"{FORMAT}-{features}"


def encode(
    decisions: Sequence[Decision],
    features: FloatMatrix,
    account_hashes: Sequence[bytes],
    session_clicks_1h: np.ndarray[Any, Any],
    flags: Sequence[int],
    shadow: tuple[np.ndarray[Any, Any] | Sequence[float], Sequence[str]] | None = None,
) -> bytes:
    """Encode n >= 1 rows as `record_batch` takes them."""
    batch = record_batch(decisions, features, account_hashes, session_clicks_1h, flags, shadow)
    return bytes(batch.serialize())


def record_batch(
    decisions: Sequence[Decision],
    features: FloatMatrix,
    account_hashes: Sequence[bytes],
    session_clicks_1h: np.ndarray[Any, Any],
    flags: Sequence[int],
    shadow: tuple[np.ndarray[Any, Any] | Sequence[float], Sequence[str]] | None = None,
) -> Any:
    """Arrow batch of n >= 1 rows: decisions of one partition in offset order, features (n, F) float32, 16-byte hashes.

    All rows share partition, run, revision, model version and what they supersede.
    """
    n, wide = features.shape
    values = zip(*map(astuple, decisions), strict=True)
    columns = [_column(field, column) for field, column in zip(_DECISION_FIELDS, values, strict=True)]
    columns.append(pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(features).reshape(-1)), wide))
    columns.append(pa.nulls(n, pa.float32()) if shadow is None else pa.array(shadow[0], pa.float32()))
    columns.append(pa.nulls(n, pa.string()) if shadow is None else pa.array(shadow[1], pa.string()))
    hashes = [None, pa.py_buffer(b"".join(account_hashes))]
    columns.append(pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), n, hashes))
    columns.append(pa.array(session_clicks_1h, pa.float32()))
    columns.append(pa.array(flags, pa.uint16()))
    return pa.RecordBatch.from_arrays(columns, schema=schema(wide))


def _column(field: Any, values: Sequence[Any]) -> Any:
    """Arrow column; those with one value per message are cut from a long one, made once."""
    if field.name in _SAME_IN_A_BATCH and len(values) <= _REPEATED_ROWS:
        return _repeated(field.type, values[0]).slice(0, len(values))
    return pa.array(values, field.type)


@lru_cache(maxsize=4096)
def _repeated(kind: Any, value: Any) -> Any:
    return pa.nulls(_REPEATED_ROWS, kind) if value is None else pa.repeat(pa.scalar(value, kind), _REPEATED_ROWS)


def decode(body: bytes, headers: Mapping[str, bytes]) -> Any:
    """Record batch of a feature-log message. Raises BadInput for a format that is not known, or bytes that are none."""
    found = headers.get(SCHEMA_HEADER, b"").decode(errors="replace")
    form, _, features = found.partition("-")
    if form != str(FORMAT) or not (features.isascii() and features.isdigit()):
        raise BadInput(
            f"Feature-log message has schema {found!r}; this version reads {FORMAT}-<features>. "
            "Read it with the version that wrote it, or a newer one."
        )
    try:
        return pa.ipc.read_record_batch(pa.py_buffer(body), schema(int(features)))
    except (pa.ArrowInvalid, EOFError, OSError) as error:
        raise BadInput(
            f"Feature-log message is damaged: {error}. Skip it; its decisions are in `decisions`."
        ) from error
