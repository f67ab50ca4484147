"""Merging changes files, never rows; wherever it dies."""

import pytest

from archive.commits import DataFile, State
from archive.compaction import KEEP_RETIRED_MS, SETTLE_MS, Compactor, mergeable
from archive.log import CommitLog
from archive.store import ArchiveStore
from contracts.errors import BadInput, Refused
from contracts.topics import HOUR_MS, Topic
from tests.archive.doubles import ALWAYS, LATER_MS, Crash, Place, archive, click_record, features_record, rows, started
from tests.builders import START_MS

STEPS = 24


def filled(place: Place, flushes: int = 3) -> list[int]:
    """An archive with a file per flush in each of two hours; its offsets."""
    writer = started(place.store())
    for first in range(0, 4 * flushes, 4):
        records = [click_record(first + i, clicked_at_ms=START_MS + i % 2 * HOUR_MS) for i in range(4)]
        archive(writer, records)
    return [*range(4 * flushes)]


def compact(store: ArchiveStore, now_ms: int = LATER_MS, topic: Topic = Topic.CLICKS) -> int:
    return Compactor(store, topic).compact(CommitLog(store, topic).load(), now_ms)


@pytest.mark.parametrize("crash_at", range(1, STEPS))
def test_wherever_a_merge_dies_readers_see_the_same_rows_and_the_next_one_completes_it(
    place: Place, crash_at: int
) -> None:
    offsets = filled(place)
    compact(place.store(), START_MS + HOUR_MS + SETTLE_MS)  # the first hour, so that there is something to delete
    later_ms = LATER_MS + KEEP_RETIRED_MS

    try:
        compact(place.crashing(crash_at), later_ms)
    except Crash:
        assert rows(place) == offsets

    started(place.store())
    compact(place.store(), later_ms)
    compact(place.store(), later_ms + KEEP_RETIRED_MS)
    assert rows(place) == offsets
    assert len(place.parquet_files()) == len(place.reader().files("clicks", *ALWAYS)) == 2


def test_the_steps_above_reach_beyond_a_whole_merge(place: Place) -> None:
    filled(place)
    compact(place.store(), START_MS + HOUR_MS + SETTLE_MS)
    dying = place.crashing(STEPS)

    compact(dying, LATER_MS + KEEP_RETIRED_MS)

    assert not dying.is_dead


def test_files_that_a_reader_has_the_names_of_stay_for_a_day(place: Place) -> None:
    filled(place)
    before = place.parquet_files()

    compact(place.store(), LATER_MS)
    started(place.store())
    compact(place.store(), LATER_MS + KEEP_RETIRED_MS - 1)

    assert before < place.parquet_files()
    compact(place.store(), LATER_MS + KEEP_RETIRED_MS)
    assert not before & place.parquet_files()


def test_an_archiver_goes_on_beside_a_merge(place: Place) -> None:
    writer = started(place.store())
    archive(writer, [click_record(0)])
    archive(writer, [click_record(1)])

    compact(place.store())
    archive(writer, [click_record(2)])

    assert rows(place) == [0, 1, 2]


def test_a_merge_drops_what_it_did_when_an_archiver_starts_meanwhile(place: Place) -> None:
    offsets = filled(place)
    store = place.store()
    state = CommitLog(store, Topic.CLICKS).load()
    started(place.store())

    with pytest.raises(Refused, match="Merge again"):
        Compactor(store, Topic.CLICKS).compact(state, LATER_MS)

    assert rows(place) == offsets


def test_of_two_merges_at_once_one_is_refused(place: Place) -> None:
    offsets = filled(place)
    state = CommitLog(place.store(), Topic.CLICKS).load()
    compact(place.store())

    with pytest.raises(Refused, match="Another compaction"):
        Compactor(place.store(), Topic.CLICKS).compact(state, LATER_MS)

    assert rows(place) == offsets


def test_widths_of_the_feature_log_are_not_mixed(place: Place) -> None:
    writer = started(place.store(), Topic.FEATURE_LOG)
    for number, features in enumerate([7, 53, 7, 53]):
        archive(writer, [features_record(number, features=features, first_row=number)])

    compact(place.store(), topic=Topic.FEATURE_LOG)

    assert len(place.reader().files("feature-log", *ALWAYS)) == 2
    assert rows(place, Topic.FEATURE_LOG) == [0, 1, 2, 3]


def test_a_damaged_file_is_not_merged_away(place: Place) -> None:
    filled(place)
    (path, *_) = sorted(place.folder.rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(BadInput, match="is damaged"):
        compact(place.store())

    assert len(place.reader().files("clicks", *ALWAYS)) == 6


def file(name: str, hour: int = 0, rows: int = 10, key_id: str = "k") -> DataFile:
    hour_ms = START_MS + hour * HOUR_MS
    return DataFile(name, hour_ms, rows, 100, "", hour_ms, hour_ms, key_id, ())


def merged_names(*files: DataFile, now_ms: int = LATER_MS, least: int = 2) -> list[list[str]]:
    state = State(files={one.path: one for one in files})
    return [[one.path for one in group] for group in mergeable(state, now_ms, least, rows_per_file=100)]


def test_only_small_files_of_one_closed_hour_and_one_key_are_merged() -> None:
    assert merged_names(file("a"), file("b")) == [["a", "b"]]
    assert merged_names(file("a"), file("b", hour=1)) == []
    assert merged_names(file("a"), file("b", key_id="other")) == []
    assert merged_names(file("a"), file("b", rows=100)) == []
    assert merged_names(file("a"), file("b"), now_ms=START_MS + HOUR_MS + SETTLE_MS - 1) == []
    assert merged_names(file("a"), file("b"), least=3) == []


def test_merged_files_have_a_bound() -> None:
    assert merged_names(*(file(name, rows=40) for name in "abcde")) == [["a", "b"], ["c", "d"]]
