"""Retention removes the oldest releases, and never one that is in use or may be needed at once."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import Misconfigured
from model.release import load_release, write_release
from model.retention import prune, superfluous
from tests.model.test_release import NOW_MS, draft

NAMES = st.lists(st.text("abc", min_size=1, max_size=3), unique=True)
DAY_MS = 24 * 3_600_000
# Later than any file that a test writes.
LATER_MS = 4_000_000_000_000


@given(NAMES, st.integers(1, 10), st.sets(st.text("abc", min_size=1, max_size=3)))
def test_protected_and_latest_releases_stay_and_all_others_go(
    versions: list[str], keep: int, protected: set[str]
) -> None:
    gone = superfluous(versions, keep, protected)

    latest = set(sorted(versions)[-keep:])
    assert set(gone) == set(versions) - latest - protected
    assert gone == sorted(gone)


def test_removed_releases_are_gone_whole_and_the_others_load(tmp_path: Path) -> None:
    models = str(tmp_path)
    for version in ("v1", "v2", "v3", "v4", "v5"):
        write_release(models, version, draft())

    pruned = prune(models, 2, {"v2", "pass-through"}, NOW_MS)

    assert pruned == (["v1", "v3"], [])
    assert sorted(os.listdir(tmp_path)) == ["v2", "v4", "v5"]
    for version in ("v2", "v4", "v5"):
        assert load_release(models, version).version == version


def test_what_is_just_being_written_is_left_alone_and_what_is_a_day_old_is_not(tmp_path: Path) -> None:
    (tmp_path / ".v1.draft").mkdir()
    changed_ms = round((tmp_path / ".v1.draft").stat().st_mtime * 1000)

    assert prune(str(tmp_path), 1, (), changed_ms + DAY_MS - 1000).remains == []
    assert prune(str(tmp_path), 1, (), changed_ms + DAY_MS + 1000).remains == [".v1.draft"]


def test_a_store_that_is_not_there_has_nothing_to_remove(tmp_path: Path) -> None:
    assert prune(str(tmp_path / "nowhere"), 1, (), LATER_MS) == ([], [])


def test_keeping_none_is_refused() -> None:
    with pytest.raises(Misconfigured, match="keep at least 1"):
        superfluous(["v1"], 0, ())
