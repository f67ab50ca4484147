"""What is counted of a day, against plain counting of its rows."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.features import FEATURE_IDS
from contracts.summaries import BIN_EDGES, BINS, DAY_MS, DaySummary
from model.day_summaries import Labels, Span, summarise
from model.labelled import feature_matrix_of
from slidr.history import history_inputs
from tests.guardrails.simulated import FIRST_DAY, HOUR_MS, SPOILT_DAY, Spoiler, at_ms, spoilt_hours, with_column

# Whichever test comes first waits for the simulation.
pytestmark = pytest.mark.timeout(1200)


def labelled_of(history: Path, day: DaySummary) -> pa.Table:
    table = pq.read_table(history.with_name("labels") / f"{np.datetime64(day.day, 'D')}.parquet")
    return table.set_column(table.schema.get_field_index("slice"), "slice", table["slice"].cast(pa.string()))


def test_clicks_and_labels_are_counted_by_hour_and_slice(history: Path, clean: list[DaySummary]) -> None:
    day = clean[40]
    table = labelled_of(history, day)

    hours = ((np.asarray(table["clicked_at_ms"]) % DAY_MS) // HOUR_MS).tolist()
    slices = table["slice"].to_pylist()
    for column in ("labelled", "human", "purchasing"):
        kept = [True] * len(table) if column == "labelled" else table[column].to_pylist()
        counted = Counter(place for place, keep in zip(zip(slices, hours, strict=True), kept, strict=True) if keep)
        assert counted == Counter(
            {
                (name, hour): count
                for name, counts in day.slices.items()
                for hour, count in enumerate(getattr(counts, column))
                if count
            }
        )
    # Nobody's click of these days is flagged.
    assert all(counts.clicks == counts.labelled for counts in day.slices.values())
    weekly = Counter(table["hour_of_week"].to_pylist())
    assert [weekly[hour] for hour in range(168)] == list(day.week_labelled)


def test_features_of_human_clicks_are_counted_by_bin(history: Path, clean: list[DaySummary]) -> None:
    day = clean[40]
    table = labelled_of(history, day)
    human = np.asarray(table["human"].to_pylist())
    features = feature_matrix_of(table["features"].combine_chunks())[human]

    for name in ("session_clicks_1h", "ip_gap_s", "hour_cos", "logged_in"):
        values = features[:, FEATURE_IDS.index(name)]
        bins = Counter(sum(value >= np.float32(edge) for edge in BIN_EDGES) for value in values.tolist())
        assert day.features[name].human == tuple(bins[place] for place in range(BINS))
        assert day.features[name].missing == 0


def test_purchases_are_counted_once_by_the_hour_that_they_happened(spoiler: Spoiler) -> None:
    def twice(purchases: pa.Table) -> pa.Table:
        again = purchases.filter(pa.array(spoilt_hours(purchases["purchased_at_ms"], 10, 12)))
        return pa.concat_tables([purchases, with_column(again, "source_offset", np.arange(len(again)) + 10**7)])

    day = spoiler.day(purchases=twice)

    times = np.asarray(spoiler.purchases["purchased_at_ms"])
    assert list(day.purchases) == [int(spoilt_hours(times, hour, hour + 1).sum()) for hour in range(24)]
    assert list(day.purchases_again) == [n if 10 <= hour < 12 else 0 for hour, n in enumerate(day.purchases)]


def test_rows_that_are_missing_or_come_again_are_counted(spoiler: Spoiler) -> None:
    rows = spoiler.rows

    day = spoiler.day(lambda table: pa.concat_tables([table.slice(0, 1000), table.slice(1100), table.slice(0, 30)]))

    assert day.sources.rows == len(rows) - 100 + 30
    assert (day.sources.missing, day.sources.again, day.sources.repeated) == (100, 30, 0)


def test_a_late_row_is_no_gap_and_rows_of_replays_are_none(spoiler: Spoiler) -> None:
    def late(table: pa.Table) -> pa.Table:
        times = np.asarray(table["clicked_at_ms"]).copy()
        times[2000] -= 5 * HOUR_MS
        replayed = with_column(table, "run", ["replay-1"] * len(table))
        return pa.concat_tables([with_column(table, "clicked_at_ms", times), replayed])

    day = spoiler.day(late)

    assert day.sources.rows == len(spoiler.rows)
    assert (day.sources.missing, day.sources.again) == (0, 0)


def test_hours_cut_off_by_the_ends_are_not_whole_and_a_day_without_a_click_is_a_day(
    history: Path, clean: list[DaySummary]
) -> None:
    inputs = history_inputs(history)
    labels = history.with_name("labels")

    labelled = Labels(labels, Span(at_ms(80, 12), at_ms(88)))
    days = summarise(inputs, [labelled], Span(at_ms(80, 10.5), at_ms(89, 3)))

    assert [day.day for day in days] == [FIRST_DAY + number for number in range(80, 90)]
    assert days[0].whole == (False,) * 11 + (True,) * 13
    assert days[0].labelled == (False,) * 12 + (True,) * 12
    assert days[-1].whole == (True,) * 3 + (False,) * 21
    assert (days[-1].slices, days[-1].sources.rows) == ({}, 0)
    assert days[2].slices == clean[82].slices
    assert days[2].day == SPOILT_DAY


@pytest.mark.parametrize("what", ["click_ids", "moments"])
def test_samples_are_the_same_for_the_same_clicks(what: str, spoiler: Spoiler, clean: list[DaySummary]) -> None:
    again = getattr(spoiler.day().sources, what)

    assert again == getattr(clean[82].sources, what)
    assert len(set(again)) == 256
    assert again != getattr(clean[81].sources, what)
