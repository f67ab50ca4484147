"""Readers get the files and rows of a time range, and a sentence about a file that is not right."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from archive.reader import ArchiveReader
from archive.store import ArchiveStore
from contracts.errors import BadInput, Misconfigured, Refused
from contracts.topics import HOUR_MS, Topic
from tests.archive.doubles import ALWAYS, HASHES, LATER_MS, Place, archive, click_record, features_record, rows, started
from tests.archive.test_compaction import compact
from tests.builders import START_MS


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.integers(0, 5 * HOUR_MS), min_size=1, max_size=12),
    bounds=st.tuples(st.integers(-HOUR_MS, 6 * HOUR_MS), st.integers(-HOUR_MS, 6 * HOUR_MS)),
)
@example(times=[4, 5, 8, 9, 10], bounds=(5, 9))
def test_a_time_range_gives_just_its_rows_and_no_file_without_any(
    tmp_path_factory: pytest.TempPathFactory, times: list[int], bounds: tuple[int, int]
) -> None:
    place = Place(tmp_path_factory.mktemp("archive"), as_objects=False)
    archive(started(place.store()), [click_record(n, clicked_at_ms=START_MS + t) for n, t in enumerate(times)])
    from_ms, to_ms = START_MS + bounds[0], START_MS + bounds[1]

    found = place.reader().batches("clicks", from_ms, to_ms, ["source_offset", "click_id"]).read_all()
    files = place.reader().files("clicks", from_ms, to_ms)

    expected = [n for n, t in enumerate(times) if bounds[0] <= t < bounds[1]]
    assert sorted(found["source_offset"].to_pylist()) == expected
    assert found.schema.names == ["source_offset", "click_id"]
    assert bool(files) or not expected


def test_files_are_what_other_programs_can_open(tmp_path: Path) -> None:
    place = Place(tmp_path, as_objects=False)
    archive(started(place.store(), Topic.FEATURE_LOG), [features_record(0, rows=3), features_record(1, 2, first_row=3)])

    files = ArchiveReader(f"file://{place.uri}").files("feature-log", *ALWAYS)

    found = duckdb.sql(f"select source_offset, features[1], account_hash from read_parquet({files}) order by 1")
    assert found.fetchall() == [(n, float(n), n.to_bytes(16)) for n in range(5)]


def test_a_dataset_holds_the_rows_of_its_files(place: Place) -> None:
    archive(started(place.store()), [click_record(n) for n in range(5)])

    dataset = place.reader().dataset("clicks", *ALWAYS)

    assert sorted(dataset.to_table(columns=["source_offset"])["source_offset"].to_pylist()) == [0, 1, 2, 3, 4]
    assert dataset.to_table().column("account_hash")[0].as_py() == HASHES.user("user-1")


def test_coverage_tells_first_and_last_event_before_and_after_a_merge(place: Place) -> None:
    writer = started(place.store())
    archive(writer, [click_record(0, clicked_at_ms=START_MS + 5), click_record(1, clicked_at_ms=START_MS + 2)])
    archive(writer, [click_record(2, clicked_at_ms=START_MS + 9)])
    before = place.reader().coverage("clicks")

    compact(place.store())
    after = place.reader().coverage("clicks")

    assert (before.first_event_ms, before.last_event_ms, before.rows, before.files) == (
        START_MS + 2,
        START_MS + 9,
        3,
        2,
    )
    assert (after.first_event_ms, after.last_event_ms, after.rows, after.files) == (START_MS + 2, START_MS + 9, 3, 1)
    assert after.partitions == before.partitions
    assert after.key_ids == [HASHES.key_id]


def test_nothing_archived_is_nothing_covered_and_no_range_to_read(place: Place) -> None:
    assert (place.reader().coverage("clicks").rows, place.reader().verify("clicks")) == (0, [])
    with pytest.raises(Refused, match="`slidr archive` fills it"):
        place.reader().files("clicks", *ALWAYS)
    with pytest.raises(Misconfigured, match="Topic 'model-releases' is not archived"):
        place.reader().files("model-releases", *ALWAYS)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def flip(path: Path) -> None:
    """One bit of the source offsets."""
    parquet = pq.ParquetFile(path)
    column = parquet.metadata.row_group(0).column(parquet.schema_arrow.names.index("source_offset"))
    first = column.dictionary_page_offset or column.data_page_offset
    content = bytearray(path.read_bytes())
    content[first + column.total_compressed_size - 1] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "told"), [(cut, "damaged"), (flip, "damaged"), (empty, "damaged"), (Path.unlink, "missing")]
)
def test_a_file_that_is_not_right_is_one_sentence(place: Place, spoil: Callable[[Path], None], told: str) -> None:
    archive(started(place.store()), [click_record(n, clicked_at_ms=START_MS + n * HOUR_MS) for n in range(3)])
    first = next(place.folder.rglob("hour=00/*.parquet"))

    spoil(first)

    with pytest.raises(BadInput, match=f"{first.name} is {told}") as failure:
        rows(place)
    (problem,) = place.reader().verify("clicks")
    assert told in problem
    assert "\n" not in str(failure.value) + problem


def test_a_file_that_was_exchanged_for_another_is_found(place: Place) -> None:
    archive(started(place.store()), [click_record(n, clicked_at_ms=START_MS + n * HOUR_MS) for n in range(2)])
    first, second = (next(place.folder.rglob(f"hour=0{hour}/*.parquet")) for hour in range(2))

    first.write_bytes(second.read_bytes())

    (problem,) = place.reader().verify("clicks")
    assert "is not the file that was committed" in problem


def test_merged_rows_are_verified_too(place: Place) -> None:
    writer = started(place.store())
    for offset in range(3):
        archive(writer, [click_record(offset)])
    compact(place.store(), LATER_MS)
    seen: list[tuple[int, int]] = []

    assert place.reader().verify("clicks", lambda done, total: seen.append((done, total))) == []
    assert seen == [(1, 1)]


def test_a_place_that_cannot_be_an_archive_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(Misconfigured, match="cannot be used"):
        started(ArchiveStore(str(tmp_path / "file")))
    with pytest.raises(Misconfigured, match="is no place for the archive"):
        ArchiveReader("nonsense://somewhere")
