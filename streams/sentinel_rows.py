"""From messages of the feature log to what the sentinel counts: columns at a time, no row by itself."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from confluent_kafka import Message

from billing.log import place
from contracts import feature_log
from contracts.errors import BadInput
from contracts.events import LIVE
from contracts.feature_log import Flag
from guardrails.sentinel.state import HOUR_MS, MINUTE_MS, Counts, Summary, Tail

_COLUMNS = (
    "click_id",
    "source_offset",
    "slice",
    "clicked_at_ms",
    "verdict",
    "rules",
    "shadow_verdict",
    "session_clicks_1h",
    "flags",
)
# Clicks whose time is far from when they were sent: what they say of "now" cannot be believed.
_UNTIMELY = int(Flag.UNCOUNTED_LATE | Flag.UNCOUNTED_FUTURE)
# A few clicks with a time of their own neither begin nor end a stretch.
_OUTLIERS_PERCENT = 5.0
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


class Rows(NamedTuple):
    """n clicks decided by `version`, with `shadow` beside it: columns (n,), `slices[slice_index]` are their slices."""

    version: str
    shadow: str | None
    click_ids: Any
    offsets: Ints
    slices: list[str]
    slice_index: Ints
    at_ms: Ints
    invalid: Flags
    paired: Flags
    shadow_invalid: Flags
    ruled: Flags
    busy: Flags


class Sources(NamedTuple):
    """By partition, the newest source offset that was counted, and the `clicks` topic that it is of."""

    offsets: dict[int, int]
    topic_ids: dict[int, str]


def rows_of(messages: Iterable[Message], sources: Sources, busy_over: float) -> Iterator[Rows]:
    """Rows of live decisions, each click once, by the releases that judged them, in the order that these came up.

    Rows that a worker repeated are known by their source offset; `sources` keeps track. Messages that cannot be read
    are left out.
    """
    groups: dict[tuple[str, str | None], list[Any]] = {}
    for message in messages:
        headers = cast(dict[str, bytes], dict(message.headers() or []))
        try:
            batch = feature_log.decode(message.value() or b"", headers)
        except BadInput:
            continue
        batch = _new_rows(batch, place(message)[0], headers, sources)
        if len(batch) and batch["run"][0].as_py() == LIVE:
            shadow = headers.get(feature_log.SHADOW_HEADER)
            key = (batch["model_version"][0].as_py(), shadow.decode(errors="replace") if shadow else None)
            groups.setdefault(key, []).append(batch.select(_COLUMNS))
    for (version, shadow_version), batches in groups.items():
        if rows := _rows(version, shadow_version, pa.Table.from_batches(batches), busy_over):
            yield rows


def summary_of(rows: Rows) -> Summary:
    """Counts by slice, minute and hour."""
    newly, restored = rows.paired & rows.invalid, rows.paired & ~rows.invalid
    columns = [
        None,
        rows.invalid,
        rows.paired,
        rows.shadow_invalid,
        newly & ~rows.shadow_invalid,
        restored & rows.shadow_invalid,
        rows.ruled & rows.shadow_invalid,
    ]
    minutes: dict[int, dict[str, Counts]] = {}
    for minute, slice_, counted in _counted(rows, rows.at_ms // MINUTE_MS, columns):
        minutes.setdefault(minute, {})[slice_] = Counts(*counted)
    hours: dict[int, dict[str, Tail]] = {}
    for hour, slice_, counted in _counted(rows, rows.at_ms // HOUR_MS, [rows.busy, rows.busy & rows.invalid]):
        hours.setdefault(hour, {})[slice_] = Tail(*counted)
    return Summary(rows.version, rows.shadow, *_stretch(rows.at_ms), minutes, hours)


def _stretch(at_ms: Ints) -> tuple[int, int]:
    """When clicks that come evenly begin and end: the middle nine tenths, and a twentieth on either side."""
    first_ms, last_ms = np.percentile(at_ms, [_OUTLIERS_PERCENT, 100 - _OUTLIERS_PERCENT])
    beyond_ms = (last_ms - first_ms) * _OUTLIERS_PERCENT / (100 - 2 * _OUTLIERS_PERCENT)
    return max(int(at_ms.min()), int(first_ms - beyond_ms)), min(int(at_ms.max()), int(last_ms + beyond_ms))


def _counted(rows: Rows, time: Ints, columns: list[Flags | None]) -> Iterator[tuple[int, str, list[int]]]:
    """For each time and slice that occur, how many rows each column marks; None marks all."""
    wide = len(rows.slices)
    keys, group = np.unique(time * wide + rows.slice_index, return_inverse=True)
    counts = np.array([np.bincount(group, column, len(keys)) for column in columns]).astype(np.int64).T
    for key, counted in zip(keys.tolist(), counts.tolist(), strict=True):
        yield key // wide, rows.slices[key % wide], counted


def _new_rows(batch: Any, partition: int, headers: Mapping[str, bytes], sources: Sources) -> Any:
    """The rows above what was counted of the partition."""
    topic_id = headers.get(feature_log.CLICKS_TOPIC_ID_HEADER, b"").decode(errors="replace")
    if sources.topic_ids.get(partition) != topic_id:  # `clicks` was made anew: its offsets begin again
        sources.topic_ids[partition] = topic_id
        sources.offsets[partition] = -1
    offsets = batch["source_offset"].to_numpy()
    counted = sources.offsets[partition]
    if len(offsets):
        sources.offsets[partition] = max(counted, int(offsets[-1]))
    return batch if not len(offsets) or offsets[0] > counted else batch.filter(pa.array(offsets > counted))


def _rows(version: str, shadow: str | None, table: Any, busy_over: float) -> Rows | None:
    timely = (table["flags"].to_numpy() & _UNTIMELY) == 0
    if not timely.all():
        table = table.filter(pa.array(timely))
    if not len(table):
        return None
    slices = table["slice"].combine_chunks().dictionary_encode()
    shadow_verdict = table["shadow_verdict"]
    return Rows(
        version,
        shadow,
        table["click_id"],
        table["source_offset"].to_numpy(),
        slices.dictionary.to_pylist(),
        slices.indices.to_numpy().astype(np.int64),
        table["clicked_at_ms"].to_numpy(),
        _flags(pc.equal(table["verdict"], "invalid")),
        _flags(pc.is_valid(shadow_verdict)) & (shadow is not None),
        _flags(pc.fill_null(pc.equal(shadow_verdict, "invalid"), False)) & (shadow is not None),
        _flags(pc.greater(pc.list_value_length(table["rules"]), 0)),
        table["session_clicks_1h"].to_numpy() > busy_over,
    )


def _flags(column: Any) -> Flags:
    found: Flags = column.to_numpy().astype(bool)
    return found
