"""Labelled files of clicks that a test makes up."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.features import FEATURE_INDEX
from contracts.ports import FloatMatrix
from model.labelled import schema
from model.normalise import Fit, Normalisation
from model.reading import Labelled, open_labelled
from tests.builders import START_MS

MINUTE_MS = 60_000


def labelled_files(
    folder: Path,
    features: FloatMatrix,
    robot: Any,
    rows_per_group: int = 256,
    kinds: Sequence[str] | None = None,
    **columns: Any,
) -> Labelled:
    """Clicks of one cell and slice, a minute apart, in one file; `columns` (n,) replace plain ones."""
    n = len(features)
    human = ~np.asarray(robot, bool)
    values = {
        "click_id": [f"c{i}" for i in range(n)],
        "clicked_at_ms": START_MS + MINUTE_MS * np.arange(n),
        "slice": pa.array(["desktop|user"] * n).dictionary_encode(),
        "hour_of_week": np.zeros(n, np.int16),
        "logged_in": features[:, FEATURE_INDEX["logged_in"]] != 0,
        "human": human,
        "purchasing": human,
        "by_rules": np.zeros(n, bool),
        "session_clicks_1h": np.ones(n, np.float32),
        "features": pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), features.shape[1]),
        **columns,
    }
    form = schema(with_kinds=kinds is not None)
    if kinds is not None:
        values["kind"] = pa.array(kinds).dictionary_encode()
    folder.mkdir(exist_ok=True)
    table = pa.Table.from_arrays([pa.array(values[name], form.field(name).type) for name in form.names], schema=form)
    pq.write_table(table, folder / "2024-01-01.parquet", row_group_size=rows_per_group)
    return open_labelled(folder)


def fitted(features: FloatMatrix, feature_ids: tuple[str, ...], weights: Any = None) -> Normalisation:
    """Normalisation over rows (n, F), all of them at once."""
    fit = Fit(feature_ids)
    fit.add(features, np.ones(len(features), np.float32) if weights is None else weights)
    return fit.normalisation()
