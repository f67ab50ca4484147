"""Simulated days, clean and spoilt: history as the archive would keep it, labelled and counted by the product's code.

    day   0 ......... 27 | 28 .. 40 ...... 47 ....... 55 ........ 81 .. 88
          only compared  | judged: an attack, a sale, an attack    spoilt: day 82, a Tuesday

88 days end on a Monday morning, so that weekends are among those judged.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.features import FEATURE_INDEX
from contracts.summaries import DAY_MS, DaySummary
from model.day_summaries import Labels, Span, summarise
from model.inputs import Inputs
from model.labelled import feature_matrix_of
from model.labels import Terms, write_labels
from rules.ruleset import RuleSet
from slidr.history import SIMULATED_MATURITY_MS, history_inputs, write_history
from traffic.attacks import Attack
from traffic.sales import Sale
from traffic.scenario import Scenario

DAYS: Final = 88
FIRST_JUDGED: Final = 28
FIRST_DAY: Final = 19_814 - DAYS  # the last one ends before 2024-04-01, a Monday
SPOILT_DAY: Final = FIRST_DAY + 82
HOUR_MS: Final = 3_600_000
CLICKS_A_DAY: Final = 4_000
ROBOT_SHARE: Final = 0.2

Change = Callable[[pa.Table], pa.Table]


def same(table: pa.Table) -> pa.Table:
    return table


def at_ms(day: float, hours: float = 0) -> int:
    """Some days after the first one."""
    return round((FIRST_DAY + day) * DAY_MS + hours * HOUR_MS)


def scenario() -> Scenario:
    """Weekends, a sale day with twice the people, and attacks of ten times the usual robots."""
    clicks_per_s = CLICKS_A_DAY * 1000 / DAY_MS
    fierce = 10 * ROBOT_SHARE * clicks_per_s
    return Scenario(
        seed=11,
        start_ms=at_ms(0),
        duration_ms=DAYS * DAY_MS,
        clicks_per_s=clicks_per_s,
        robot_share=ROBOT_SHARE,
        attacks=[
            Attack("burst", at_ms(40, 3), at_ms(40, 9), fierce),
            Attack("rotating", at_ms(55), at_ms(56), fierce),
        ],
        sales=[Sale(at_ms(47), at_ms(48), 2.0)],
    )


def write_days(folder: Path) -> None:
    write_history(scenario(), RuleSet.default(), folder)


def summaries_of(inputs: Inputs, labels: Path, span: Span, spoil_labels: Change = same) -> list[DaySummary]:
    """Label and count the clicks of the span."""
    write_labels(inputs, Terms(*span, span.until_ms + SIMULATED_MATURITY_MS, SIMULATED_MATURITY_MS), labels)
    if spoil_labels is not same:
        for path in labels.glob("*.parquet"):
            table = pq.read_table(path)
            pq.write_table(spoil_labels(table).cast(table.schema), path)
    return summarise(inputs, [Labels(labels, span)], span)


def clean_days(history: Path, labels: Path) -> list[DaySummary]:
    return summaries_of(history_inputs(history), labels, Span(at_ms(0), at_ms(DAYS)))


class Spoiler:
    """Makes the day `SPOILT_DAY` anew, with faults."""

    def __init__(self, history: Path, folder: Path) -> None:
        rows = pq.read_table(history / "feature-log")
        self.rows, self.day_before = self._of_day(rows, 0), self._of_day(rows, -1)
        self.purchases = pq.read_table(history / "purchases")
        self._folder = folder

    def day(self, rows: Change = same, purchases: Change = same, labels: Change = same) -> DaySummary:
        """The day, its clicks, purchases or labels changed."""
        for name, table in (("rows", rows(self.rows)), ("purchases", purchases(self.purchases))):
            pq.write_table(table, self._folder / f"{name}.parquet")
        inputs = Inputs([str(self._folder / "rows.parquet")], [str(self._folder / "purchases.parquet")])
        span = Span(SPOILT_DAY * DAY_MS, (SPOILT_DAY + 1) * DAY_MS)
        (day,) = summaries_of(inputs, self._folder / "labels", span, labels)
        return day

    def _of_day(self, rows: pa.Table, off: int) -> pa.Table:
        day = SPOILT_DAY + off
        times = rows["clicked_at_ms"]
        return rows.filter(pc.and_(pc.greater_equal(times, day * DAY_MS), pc.less(times, (day + 1) * DAY_MS)))


def spoilt_hours(times_ms: Any, from_hour: int, until_hour: int) -> np.ndarray:
    """Which of these times lie between these hours of the spoilt day."""
    times = np.asarray(times_ms)
    return (times >= SPOILT_DAY * DAY_MS + from_hour * HOUR_MS) & (times < SPOILT_DAY * DAY_MS + until_hour * HOUR_MS)


def with_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, name, pa.array(values, table.schema.field(name).type))


def with_feature(rows: pa.Table, name: str, change: Callable[[np.ndarray], Any]) -> pa.Table:
    """One feature of all rows changed."""
    features = feature_matrix_of(rows["features"].combine_chunks()).copy()
    features[:, FEATURE_INDEX[name]] = change(features[:, FEATURE_INDEX[name]])
    column = pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), features.shape[1])
    return rows.set_column(rows.schema.get_field_index("features"), "features", column)


def as_other_clicks(rows: pa.Table, name: str = "copy") -> pa.Table:
    """The same clicks as if they were others: new ids, at new places in Kafka."""
    ids = [f"{name}-{click_id}" for click_id in rows["click_id"].to_pylist()]
    offsets = np.arange(len(rows)) + 10_000_000
    return with_column(with_column(rows, "click_id", ids), "source_offset", offsets)
