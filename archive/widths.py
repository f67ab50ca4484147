"""Feature vectors of different lengths, read together: features are only ever added at the end of the table."""

from typing import Any

import numpy as np
import pyarrow as pa

VECTOR = "features"


def padded(batch: Any, schema: Any) -> Any:
    """The batch's columns of `schema`, in its order; shorter vectors end with NaN for each feature that is missing.

    A column that the archive did not have yet when the file was written is null.
    """
    columns = [_column(batch, field) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _column(batch: Any, field: Any) -> Any:
    if field.name not in batch.schema.names:
        return pa.nulls(len(batch), field.type)
    column = batch.column(field.name)
    return _widened(column, field.type.list_size) if field.name == VECTOR else column


def _widened(column: Any, width: int) -> Any:
    before = column.type.list_size
    if before == width:
        return column
    # (n, before) -> (n, width) float32
    values = np.full((len(column), width), np.nan, np.float32)
    values[:, :before] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, before)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), width)
