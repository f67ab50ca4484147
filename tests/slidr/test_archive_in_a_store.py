"""A candidate from an archive in an object store: as from the same archive on this machine, byte for byte."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from calibrate.goals import Goals
from contracts import feature_log
from contracts.errors import BadInput, Misconfigured, Unavailable
from contracts.topics import DAY_MS, Topic
from model.labels import known_of, write_labels
from model.schedule import Schedule
from slidr.parents import PARENTS
from slidr.retrain import steps
from slidr.retrain.inputs import archived
from slidr.retrain.plan import Asked, History, Plan, pinned
from slidr.retrain.watcher import Watcher
from tests.archive.doubles import HASHES, FakeRecord, Place, archive, purchase_record, started
from tests.builders import START_MS, click, decision
from tests.model.logged import features_of
from tests.object_store import ObjectStore, object_store

CLICKS = 1500
STEP_MS = 20_000
# Eight hours, midnight among them.
FIRST_MS = START_MS // DAY_MS * DAY_MS + DAY_MS - 4 * 3_600_000
ASKED = Asked(
    history={"archive": "of tests"},
    goals=Goals(fpr_budget=0.5, parents=PARENTS),
    schedule=Schedule(),
    rules_sha256="",
    maturity_ms=STEP_MS,
)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Clicks of forty people on two days, who now and then buy, in files of an hour each."""
    place = Place(tmp_path / "bucket", as_objects=False)
    clicks = [
        click(click_id=f"c{i}", clicked_at_ms=FIRST_MS + STEP_MS * i, user_id=f"user {i * i % 40}")
        for i in range(CLICKS)
    ]
    decisions = [
        decision(click_id=c.click_id, clicked_at_ms=c.clicked_at_ms, source_offset=i) for i, c in enumerate(clicks)
    ]
    body = feature_log.encode(
        decisions, features_of(clicks), [HASHES.account(c) for c in clicks], np.ones(CLICKS, np.float32), [0] * CLICKS
    )
    header = [(feature_log.SCHEMA_HEADER, feature_log.schema_id().encode())]
    archive(started(place.store(), Topic.FEATURE_LOG), [FakeRecord(0, body, header)])
    bought = [
        purchase_record(i, purchased_at_ms=FIRST_MS + STEP_MS * 7 * i + 1, user_id=f"user {i % 9}", click_id=None)
        for i in range(CLICKS // 7)
    ]
    archive(started(place.store(), Topic.PURCHASES), bought)
    return place


@pytest.fixture
def store(place: Place) -> Iterator[ObjectStore]:
    with object_store(place.folder) as serving:
        yield serving


def plan_of(folder: Path, uri: str) -> Plan:
    folder.mkdir(exist_ok=True)
    return pinned(folder, ASKED, lambda: History(archived(uri, None)))


def labels_of(folder: Path, uri: str) -> dict[str, bytes]:
    steps.label(folder, plan_of(folder, uri), Watcher())
    return {str(path.relative_to(folder)): path.read_bytes() for path in (folder / "labels").rglob("*.parquet")}


def test_labels_are_those_of_the_same_archive_on_this_machine(place: Place, store: ObjectStore, tmp_path: Path) -> None:
    far = labels_of(tmp_path / "far", store.uri("archive"))

    assert far == labels_of(tmp_path / "near", place.uri)
    assert len(far) >= 3
    assert {key.split("/")[1] for key in store.parts_read} == {Topic.FEATURE_LOG, Topic.PURCHASES}


def test_a_candidate_that_was_begun_knows_where_its_archive_is(store: ObjectStore, tmp_path: Path) -> None:
    plan_of(tmp_path / "c", store.uri("archive"))

    plan = pinned(tmp_path / "c", ASKED, lambda: pytest.fail("the archive was looked through again"))

    assert known_of(plan.inputs).first_click_ms == FIRST_MS


def test_an_archive_named_by_a_file_uri_is_on_this_machine(place: Place) -> None:
    found = archived(f"file://{place.uri}", None)

    assert found == archived(place.uri, None)
    assert not found.store


def test_a_byte_that_changed_in_the_store_is_found(place: Place, store: ObjectStore, tmp_path: Path) -> None:
    """In the middle of a file: features with other bits would be features all the same."""
    path = sorted(place.folder.glob("archive/feature-log/**/*.parquet"))[5]
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)

    with pytest.raises(BadInput, match=f"{path.name} cannot be read as Parquet"):
        plan_of(tmp_path / "c", store.uri("archive"))

    assert not (tmp_path / "c" / "plan.json").exists()


def test_a_file_that_is_gone_is_said(place: Place, store: ObjectStore) -> None:
    inputs = archived(store.uri("archive"), None)
    (place.folder / inputs.rows[3].removeprefix("bucket/")).unlink()

    with pytest.raises(Misconfigured, match=f"{inputs.rows[3]} is not there"):
        inputs.check()


def test_a_store_that_does_not_answer_is_not_taken_for_damage(store: ObjectStore) -> None:
    inputs = archived(store.uri("archive"), None)
    store.closed = True

    with pytest.raises(Unavailable, match="does not answer"):
        inputs.verify()


def test_a_store_that_stops_answering_while_labels_are_made_leaves_nothing(store: ObjectStore, tmp_path: Path) -> None:
    plan = plan_of(tmp_path / "c", store.uri("archive"))
    terms = steps.Terms(plan.parts.training_ms, plan.parts.end_ms, plan.as_of_ms, STEP_MS)

    def close(done: int, days: int) -> None:
        store.closed = True

    with pytest.raises(Unavailable, match="does not answer"):
        write_labels(plan.inputs, terms, tmp_path / "labels", on_day=close)

    assert not (tmp_path / "labels").exists()
