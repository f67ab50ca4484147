"""Clicks and purchases as the files that labels are made from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts import feature_log, purchase_log
from contracts.events import LIVE, Click, Purchase
from contracts.ports import FloatMatrix
from features.answers import UNSEEN_ANSWER
from features.entities import EntityHasher
from features.vector import feature_matrix
from model.inputs import TRUTH_SCHEMA, Inputs
from tests.builders import decision

HASHER = EntityHasher("a key for tests of labels")


def features_of(clicks: Sequence[Click]) -> FloatMatrix:
    """(n, F): nobody was counted before."""
    return feature_matrix(UNSEEN_ANSWER * len(clicks), clicks)


def write_rows(
    path: Path,
    clicks: Sequence[Click],
    first_offset: int = 0,
    flags: Sequence[int] | None = None,
    features: FloatMatrix | None = None,
    rules: Sequence[tuple[str, ...]] | None = None,
    decided_after_ms: int = 5,
    run: str = LIVE,
) -> str:
    """A feature-log file of clicks that arrived in this order in partition 0; its path."""
    fired = rules or [()] * len(clicks)
    decisions = [
        decision(
            click_id=c.click_id,
            clicked_at_ms=c.clicked_at_ms,
            decided_at_ms=c.clicked_at_ms + decided_after_ms,
            rules=r,
            run=run,
            source_offset=first_offset + i,
        )
        for i, (c, r) in enumerate(zip(clicks, fired, strict=True))
    ]
    batches = []
    if clicks:
        batches = [
            feature_log.record_batch(
                decisions,
                features_of(clicks) if features is None else features,
                [HASHER.account(c) for c in clicks],
                np.ones(len(clicks), np.float32),
                flags or [0] * len(clicks),
            )
        ]
    pq.write_table(pa.Table.from_batches(batches, feature_log.schema()), path)
    return str(path)


def write_purchases(path: Path, purchases: Sequence[Purchase]) -> str:
    """A purchases file; its path."""
    rows = [
        {
            "purchase_id": p.purchase_id,
            "purchased_at_ms": p.purchased_at_ms,
            "user_hash": HASHER.user(p.user_id) if p.user_id else None,
            "session_hash": HASHER.session(p.session_id) if p.session_id else None,
            "click_id": p.click_id,
            "value_micros": p.value_micros,
            "currency": p.currency,
            "source_partition": 0,
            "source_offset": i,
        }
        for i, p in enumerate(purchases)
    ]
    pq.write_table(pa.Table.from_pylist(rows, purchase_log.schema()), path)
    return str(path)


def write_truth(path: Path, kinds: dict[str, str]) -> str:
    """A truth file of click_id to kind; its path."""
    rows = [{"click_id": c, "kind": kind, "robot": kind != "human"} for c, kind in kinds.items()]
    pq.write_table(pa.Table.from_pylist(rows, TRUTH_SCHEMA), path)
    return str(path)


def inputs_of(folder: Path, clicks: Sequence[Click], purchases: Sequence[Purchase]) -> Inputs:
    """Both in one file each."""
    return Inputs(
        [write_rows(folder / "rows.parquet", clicks)], [write_purchases(folder / "purchases.parquet", purchases)]
    )
