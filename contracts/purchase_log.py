"""Purchases as Parquet files: one row a purchase, who bought only as digests, the same as those of clicks.

A click's `account_hash` is the digest of its user, or of its session where it has none; so a purchase's `user_hash` and
`session_hash` are what its clicks may be found by.
"""

from typing import Any

import pyarrow as pa

_FIELDS: dict[str, Any] = {
    "purchase_id": pa.string(),
    "purchased_at_ms": pa.int64(),
    "user_hash": pa.binary(16),
    "session_hash": pa.binary(16),
    "click_id": pa.string(),
    "value_micros": pa.int64(),
    "currency": pa.string(),
    "source_partition": pa.int32(),
    "source_offset": pa.int64(),
}


def schema() -> Any:
    """Arrow schema of a purchases file; `user_hash`, `session_hash` and `click_id` may be null."""
    return pa.schema(list(_FIELDS.items()))
