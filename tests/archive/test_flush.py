"""A flush is in the archive whole or not at all, whatever dies; no row is lost, none is there twice."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive import log as commit_log
from archive.commits import State
from archive.pending import Pending
from archive.rows import rows_of
from archive.writer import TopicWriter
from contracts.errors import BadInput, Misconfigured, Refused, Unavailable
from contracts.features import FEATURE_IDS
from contracts.topics import DAY_MS, HOUR_MS, Topic
from tests.archive.doubles import (
    ALWAYS,
    HASHES,
    Crash,
    FakeRecord,
    Place,
    archive,
    click_record,
    features_record,
    purchase_record,
    rows,
    started,
)
from tests.builders import START_MS

# Two hours, so that a flush has two files.
FIRST = [click_record(offset, clicked_at_ms=START_MS + offset % 2 * HOUR_MS) for offset in range(6)]
SECOND = [click_record(offset, clicked_at_ms=START_MS + offset % 2 * HOUR_MS) for offset in range(6, 10)]
STEPS = 20


@pytest.mark.parametrize("crash_at", range(1, STEPS))
def test_wherever_a_flush_dies_readers_see_all_or_nothing_and_the_next_archiver_completes_it(
    place: Place, crash_at: int
) -> None:
    archive(started(place.store()), FIRST)
    dying = place.crashing(crash_at)

    try:
        archive(started(dying), SECOND)
        survived = True
    except Crash:
        survived = False

    assert rows(place) in ([*range(6)], [*range(10)])
    assert rows(place) == [*range(10)] or not survived
    writer = started(place.store())
    if missing := [record for record in SECOND if record.offset() >= (writer.position(0) or 0)]:
        archive(writer, missing)
    assert rows(place) == [*range(10)]
    assert place.parquet_files() == {path.rpartition("/")[2] for path in place.reader().files("clicks", *ALWAYS)}


def test_the_steps_above_reach_beyond_a_whole_flush(place: Place) -> None:
    archive(started(place.store()), FIRST)
    dying = place.crashing(STEPS)

    archive(started(dying), SECOND)

    assert not dying.is_dead


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3 * DAY_MS)), min_size=1, max_size=30))
def test_every_row_is_in_the_part_of_its_hour_once(clicks: list[tuple[int, int]]) -> None:
    pending, sent = Pending(Topic.CLICKS), []
    for partition in range(3):
        times = [START_MS + at_ms for where, at_ms in clicks if where == partition]
        records = [click_record(offset, clicked_at_ms=at_ms) for offset, at_ms in enumerate(times)]
        pending.add(partition, 0, len(records), rows_of(Topic.CLICKS, partition, records, HASHES))
        sent += [(partition, offset, at_ms) for offset, at_ms in enumerate(times)]

    parts = list(pending.parts())

    held = [
        (row["source_partition"], row["source_offset"], row["clicked_at_ms"])
        for part in parts
        for row in part.table.to_pylist()
    ]
    assert sorted(held) == sorted(sent)
    assert len({part.hour_ms for part in parts}) == len(parts)
    for part in parts:
        assert all(at_ms // HOUR_MS * HOUR_MS == part.hour_ms for at_ms in part.table["clicked_at_ms"].to_pylist())


def test_files_stand_under_topic_date_and_hour_of_the_event(place: Place) -> None:
    archive(started(place.store()), [click_record(0, clicked_at_ms=START_MS + 26 * HOUR_MS)])

    (file,) = place.reader().files("clicks", *ALWAYS)

    assert "archive/clicks/date=2024-01-02/hour=02/" in file


def test_of_two_archivers_the_later_goes_on_and_the_earlier_stops_and_nothing_is_doubled(place: Place) -> None:
    early = started(place.store())
    archive(early, FIRST)
    early.add(0, 6, SECOND, 10)
    late = started(place.store())

    archive(late, SECOND)

    for _ in range(2):  # and it does not recover from that
        with pytest.raises(Refused, match="Another archiver has taken over clicks"):
            early.flush(START_MS)
    assert rows(place) == [*range(10)]


def test_files_that_a_late_archiver_wrote_are_swept_by_its_follower_and_never_committed(place: Place) -> None:
    early = started(place.store())
    early.add(0, 0, FIRST, 6)

    def overtaken() -> None:
        started(place.store())

    with pytest.raises(Refused, match="taken over"):
        early.flush(START_MS, overtaken)

    assert rows(place) == []
    assert place.parquet_files() == set()


def test_a_commit_that_seemed_to_fail_is_not_made_twice(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    store = place.store()
    writer = started(store)
    writer.add(0, 0, FIRST, 6)
    create = store.create

    def created_but_not_told(path: str, content: bytes) -> bool:
        create(path, content)
        raise Unavailable("the answer was lost")

    monkeypatch.setattr(store, "create", created_but_not_told)
    with pytest.raises(Unavailable):
        writer.flush(START_MS)
    monkeypatch.undo()
    writer.flush(START_MS)

    assert rows(place) == [*range(6)]
    assert writer.position(0) == 6
    archive(writer, SECOND)
    assert rows(place) == [*range(10)]


def test_a_topic_that_was_made_anew_is_refused_at_the_start_and_before_a_commit(place: Place) -> None:
    writer = started(place.store())
    archive(writer, FIRST)
    writer.add(0, 6, SECOND, 10)

    with pytest.raises(Misconfigured, match="recreated"):
        writer.flush(START_MS, lambda: writer.check_topic("topic-2"))
    with pytest.raises(Misconfigured, match="Use a new SLIDR_ARCHIVE_URI"):
        started(place.store(), topic_id="topic-2")

    assert rows(place) == [*range(6)]


def test_what_is_archived_skipped_or_no_record_adds_up_to_the_offsets(place: Place) -> None:
    writer = started(place.store())
    records = [click_record(10), FakeRecord(11, b"rubbish"), FakeRecord(12, b"rubbish"), click_record(14)]

    writer.add(0, 10, records, 20)
    writer.flush(START_MS)

    (part,) = place.reader().coverage("clicks").partitions
    assert (part.first_offset, part.end_offset) == (10, 20)
    assert (part.records, part.skipped, part.without_record) == (2, 2, 6)
    (commit,) = [one for one in _commits(place, writer) if one.ranges]
    assert [(skip.first, skip.last, skip.path) for skip in commit.ranges[0].skips] == [(11, 12, "$")]


def _commits(place: Place, writer: TopicWriter) -> list[Any]:
    return commit_log.CommitLog(place.store(), writer.topic).catch_up(State())


def test_a_gap_is_on_record_for_ever(place: Place) -> None:
    archive(started(place.store()), FIRST)
    writer = started(place.store())

    writer.skip_expired(0, 8)
    archive(writer, SECOND[2:])

    coverage = place.reader().coverage("clicks")
    assert [(gap.partition, gap.first, gap.end) for gap in coverage.gaps] == [(0, 6, 8)]
    assert (coverage.partitions[0].expired, coverage.rows) == (2, 8)
    assert rows(place) == [*range(6), 8, 9]


def test_a_long_log_is_read_from_its_last_summary(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_log, "CHECKPOINT_EVERY", 4)
    monkeypatch.setattr(commit_log, "PER_FOLDER", 3)
    writer = started(place.store())
    for offset in range(12):
        archive(writer, [click_record(offset)])
    for path in place.store().paths("clicks/_log", recursive=True)[:8]:  # summed up, so nobody misses them
        place.store().delete(path)

    again = started(place.store())

    assert again.position(0) == 12
    assert rows(place) == [*range(12)]
    assert len(place.store().paths("clicks/_checkpoints")) == 2


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda store, path: store.delete(path), "Commit 1 of clicks is missing"),
        (lambda store, path: _overwrite(store, path, b"{"), "is damaged"),
        (lambda store, path: _overwrite(store, path, store.read(path).replace(b'"rows":1', b'"rows":7')), "cannot be"),
        (lambda store, path: _overwrite(store, path, store.read(path) + b" "), "does not follow"),
    ],
)
def test_a_log_that_was_tampered_with_is_refused(place: Place, spoil: Any, told: str) -> None:
    writer = started(place.store())
    archive(writer, [click_record(0)])
    archive(writer, [click_record(1)])

    spoil(place.store(), place.store().paths("clicks/_log", recursive=True)[1])

    with pytest.raises(BadInput, match=told):
        started(place.store())
    with pytest.raises(BadInput, match=told):
        place.reader().files("clicks", *ALWAYS)


def _overwrite(store: Any, path: str, content: bytes) -> None:
    with store.writing(path) as sink:
        sink.write(content)


def test_no_name_and_no_query_is_anywhere_in_the_archive(place: Place) -> None:
    secrets = {"user_id": "raw-user-17", "session_id": "raw-session-17"}
    archive(started(place.store()), [click_record(0, ip="198.51.100.23", query="raw query", **secrets)])
    archive(started(place.store(), Topic.PURCHASES), [purchase_record(0, **secrets)])
    torn = FakeRecord(1, b'{"click_id": "c", "ip": 7, "user_id": "raw-user-17"')
    wrong = FakeRecord(2, b'{"click_id": "c", "device": "raw-user-17", "session_id": "raw-session-17"}')
    archive(started(place.store()), [torn, wrong])

    said = [path.read_bytes() for path in place.folder.rglob("*") if path.is_file()]
    for topic in ("clicks", "purchases"):
        said.append(repr(place.reader().batches(topic, *ALWAYS).read_all().to_pylist()).encode())

    for secret in (b"raw-user-17", b"raw-session-17", b"198.51.100.23", b"raw query"):
        assert not any(secret in content for content in said)
    assert any(HASHES.key_id.encode() in content for content in said)
    assert not any(b"a secret of the tests" in content for content in said)


def test_feature_vectors_of_two_widths_are_read_together(place: Place) -> None:
    writer = started(place.store(), Topic.FEATURE_LOG)
    wide = len(FEATURE_IDS) + 3  # a worker newer than this reader
    archive(writer, [features_record(0, rows=2, features=7), features_record(1, rows=1, features=wide, first_row=2)])
    reader = place.reader()

    table = reader.batches("feature-log", *ALWAYS).read_all()

    vectors = table["features"].to_pylist()
    assert table["source_offset"].to_pylist() in ([0, 1, 2], [2, 0, 1])
    for number, vector in zip(table["source_offset"].to_pylist(), vectors, strict=True):
        known = 7 if number < 2 else wide
        assert vector[:known] == [number] * known
        assert all(value != value for value in vector[known:])
    with pytest.raises(Refused, match="has vectors of 7 and"):
        reader.dataset("feature-log", *ALWAYS)
