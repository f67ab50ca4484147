"""Read by offset, the archive gives what a consumer of Kafka would have read, whatever files rows lie in."""

import random
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from archive import parquet
from archive.commits import Source
from archive.compaction import Compactor
from archive.log import CommitLog
from archive.log_view import LogView
from archive.writer import TopicWriter
from contracts import feature_log
from contracts.errors import Misconfigured, Refused
from contracts.features import FEATURE_IDS
from contracts.topics import HOUR_MS, Topic
from tests.archive.doubles import LATER_MS, FakeRecord, Place, archive, features_record, started
from tests.builders import START_MS, decision


def record(
    offset: int, rows: Sequence[int], hours: Sequence[int] = (), wide: int = 7, decided_at_ms: int = START_MS,
    partition: int = 0,
) -> FakeRecord:  # fmt: skip
    """A record of the feature log with these source offsets, each clicked in an hour."""
    decisions = [
        decision(
            click_id=f"c{row}", source_partition=partition, source_offset=row, decided_at_ms=decided_at_ms,
            clicked_at_ms=START_MS + hour * HOUR_MS,
        )
        for row, hour in zip(rows, hours or [0] * len(rows), strict=True)
    ]  # fmt: skip
    n = len(rows)
    features = np.repeat(np.array(rows, np.float32)[:, None], wide, axis=1)
    body = feature_log.encode(decisions, features, [bytes(16)] * n, np.zeros(n, np.float32), [0] * n)
    return FakeRecord(offset, body, [(feature_log.SCHEMA_HEADER, feature_log.schema_id(wide).encode())])


def read(view: LogView, partition: int, first: int, end: int) -> list[tuple[int, int, int]]:
    """(log offset, source offset, features) of rows."""
    return [
        (logged, source, table["features"].type.list_size)
        for table in view.rows(partition, first, end)
        for logged, source in zip(table["log_offset"].to_pylist(), table["source_offset"].to_pylist(), strict=True)
    ]


def view_of(place: Place) -> LogView:
    return place.reader().log(Topic.FEATURE_LOG)


@pytest.mark.parametrize("seed", range(6))
def test_rows_come_in_log_order_out_of_files_of_many_hours_widths_and_merges(
    place: Place, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "ROWS_PER_GROUP", 3)
    chance = random.Random(seed)
    writer, expected = started(place.store(), Topic.FEATURE_LOG), {0: [], 1: []}  # type: ignore[var-annotated]
    for flush in range(12):
        for partition in (0, 1):
            for offset in range(4 * flush, 4 * flush + 4):
                rows = range(3 * offset, 3 * offset + chance.randint(1, 3))
                wide = chance.choice([7, 7, 9])
                made = record(offset, rows, [chance.choice([0, 0, 1, 9]) for _ in rows], wide, partition=partition)
                writer.add(partition, offset, [made], offset + 1)
                expected[partition] += [(offset, row, wide) for row in rows]
        writer.flush(START_MS)
        if flush in (5, 9):
            compactor = Compactor(place.store(), Topic.FEATURE_LOG)
            compactor.compact(CommitLog(place.store(), Topic.FEATURE_LOG).load(), LATER_MS, rows_per_file=40)
            writer = started(place.store(), Topic.FEATURE_LOG)

    view = view_of(place)

    for partition in (0, 1):
        first, end = sorted(chance.sample(range(49), 2))
        assert read(view, partition, 0, 99) == expected[partition]
        assert read(view, partition, first, end) == [row for row in expected[partition] if first <= row[0] < end]


def test_of_a_row_that_was_logged_twice_both_stand_where_they_stood(place: Place) -> None:
    writer = started(place.store(), Topic.FEATURE_LOG)
    archive(writer, [record(0, [5, 6]), record(1, [7]), record(2, [6])])

    assert read(view_of(place), 0, 0, 9) == [(0, 5, 7), (0, 6, 7), (1, 7, 7), (2, 6, 7)]


def test_what_is_lacking_is_named_whatever_the_reason(place: Place) -> None:
    writer = started(place.store(), Topic.FEATURE_LOG)
    archive(writer, [record(10, [0]), FakeRecord(11, b"rubbish"), record(12, [1])])
    writer.skip_expired(0, 20)
    writer.flush(START_MS)
    archive(writer, [record(20, [9])])
    view = view_of(place)

    assert view.lacking(0, 0, 25) == [Source(0, 0, 10), Source(0, 11, 12), Source(0, 13, 20), Source(0, 21, 25)]
    assert view.lacking(0, 12, 13) == []
    assert view.lacking(7, 3, 5) == [Source(7, 3, 5)]
    assert read(view, 0, 0, 25) == [(10, 0, 7), (12, 1, 7), (20, 9, 7)]


def test_files_without_the_value_asked_for_are_left_out(place: Place) -> None:
    writer = started(place.store(), Topic.FEATURE_LOG)
    for number in range(4):
        archive(writer, [record(number, [number], decided_at_ms=START_MS + number)])

    tables = view_of(place).rows(0, 0, 9, ["decided_at_ms"], ("decided_at_ms", START_MS + 2))

    assert [row for table in tables for row in table["source_offset"].to_pylist()] == [2, 3]


def test_decisions_come_in_the_order_of_their_own_log(place: Place) -> None:
    writer = started(place.store(), Topic.DECISIONS)
    made = [decision(source_offset=row, clicked_at_ms=START_MS + row % 3 * HOUR_MS) for row in (4, 5, 6, 5)]
    archive(writer, [FakeRecord(offset, msgspec.json.encode(one)) for offset, one in enumerate(made, 30)])

    tables = place.reader().log(Topic.DECISIONS).rows(0, 31, 99, ["verdict"])

    assert [row for table in tables for row in table["source_offset"].to_pylist()] == [5, 6, 5]


def test_rows_archived_without_their_place_are_refused_and_not_left_out(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = started(place.store(), Topic.FEATURE_LOG)
    archive_as_before(writer, features_record(0, rows=2), monkeypatch)
    archive(writer, [features_record(1, rows=2, first_row=2)])

    with pytest.raises(Refused, match="Begin the range behind them"):
        read(view_of(place), 0, 0, 9)
    Compactor(place.store(), Topic.FEATURE_LOG).compact(CommitLog(place.store(), Topic.FEATURE_LOG).load(), LATER_MS)
    with pytest.raises(Refused, match="Begin the range behind them"):
        read(view_of(place), 0, 0, 9)


def archive_as_before(writer: TopicWriter, one: FakeRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a version did that knew no places."""
    with monkeypatch.context() as patch:
        patch.setattr("archive.rows._placed", lambda batch, record: batch)
        patch.setattr(parquet, "schema_of", lambda topic, features: feature_log.schema(len(FEATURE_IDS)))
        archive(writer, [one])


def test_clicks_are_read_by_time_only(place: Place) -> None:
    with pytest.raises(Misconfigured, match="not read by offset"):
        place.reader().log(Topic.CLICKS)
