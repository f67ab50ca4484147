"""Whoever is killed while publishing or removing a release leaves all of it or nothing to see, and may try again."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from pyarrow import fs
from pyarrow._fs import _MockFileSystem

from contracts.errors import Misconfigured, Refused, Unavailable
from model import store as store_module
from model.manifest import FILES, MANIFEST, REPORT, SIGNATURE
from model.store import ModelStore
from tests.killed import killed_at_step
from tests.model.dying_files import DyingFiles, WithoutMoves

CONTENTS = {name: f"content of {name}".encode() for name in (*FILES, REPORT, SIGNATURE, MANIFEST)}
# Later than any file that a test writes.
LATER_MS = 4_000_000_000_000.0


def local(folder: Path) -> fs.FileSystem:
    return fs.SubTreeFileSystem(str(folder), fs.LocalFileSystem())


def in_memory(folder: Path) -> fs.FileSystem:
    return _MockFileSystem(datetime.now(UTC))


def whole(store: ModelStore, version: str) -> bool:
    return all(store.find(version, name) == content for name, content in CONTENTS.items())


def dies_at_each_step(
    files: fs.FileSystem, what: Callable[[ModelStore], object], handler: type[DyingFiles] = DyingFiles
) -> list[bool]:
    """Do it, dying a step later each time, until it is done; by step, whether release `v1` was to be seen after it."""
    seen = []
    for step in count():
        dying = ModelStore("models", fs.PyFileSystem(handler(files, step)))
        try:
            what(dying)
        except Unavailable:
            living = ModelStore("models", files)
            seen.append(living.has("v1"))
            assert living.versions() == ["v1"] * seen[-1]
            assert not seen[-1] or whole(living, "v1")
            living.remove("v1") if seen[-1] else None
        else:
            return seen
    raise AssertionError


@pytest.mark.parametrize("handler", [DyingFiles, WithoutMoves])
@pytest.mark.parametrize("make_files", [local, in_memory])
def test_a_release_is_whole_or_not_to_be_seen_at_whichever_step_its_writer_dies(
    tmp_path: Path, make_files: Callable[[Path], fs.FileSystem], handler: type[DyingFiles]
) -> None:
    files = make_files(tmp_path)

    seen = dies_at_each_step(files, lambda store: store.write("v1", CONTENTS), handler)

    assert len(seen) > 2 * len(CONTENTS)
    assert whole(ModelStore("models", files), "v1")


@pytest.mark.parametrize("make_files", [local, in_memory])
def test_a_release_is_whole_or_not_to_be_seen_at_whichever_step_its_remover_dies(
    tmp_path: Path, make_files: Callable[[Path], fs.FileSystem]
) -> None:
    files = make_files(tmp_path)

    def write_and_remove(store: ModelStore) -> None:
        if not (living := ModelStore("models", files)).has("v1"):
            living.write("v1", CONTENTS)
        store.remove("v1")

    seen = dies_at_each_step(files, write_and_remove)

    assert seen == [True] + [False] * (len(CONTENTS))
    store = ModelStore("models", files)
    assert store.versions() == []
    assert store.remove_remains(LATER_MS) == []


def test_what_killed_writers_left_goes_when_it_is_old_and_releases_stay(tmp_path: Path) -> None:
    store, models = ModelStore(str(tmp_path)), tmp_path
    store.write("v1", CONTENTS)
    for remains in (".v2.draft", "v3"):
        (models / remains).mkdir()
        (models / remains / "model.onnx").write_bytes(b"half")
    os.utime(models / "v3" / "model.onnx", (1, 1))
    os.utime(models / "v3", (1, 1))

    assert store.remove_remains(10_000) == ["v3"]
    assert sorted(os.listdir(models)) == [".v2.draft", "v1"]
    assert store.remove_remains(LATER_MS) == [".v2.draft"]
    assert store.versions() == ["v1"]
    assert whole(store, "v1")


def test_a_kill_at_any_step_leaves_a_whole_release_or_none_and_the_next_attempt_succeeds(tmp_path: Path) -> None:
    outcomes = []
    for step in count():
        models = tmp_path / str(step)
        if not killed_at_step(partial(ModelStore(str(models)).write, "v1", CONTENTS), store_module, step):
            break
        store = ModelStore(str(models))
        outcomes.append(store.has("v1"))
        assert store.versions() == ["v1"] * outcomes[-1]
        if not outcomes[-1]:
            store.write("v1", CONTENTS)
        assert whole(store, "v1")
        store.remove_remains(LATER_MS)
        assert os.listdir(models) == ["v1"]

    assert whole(ModelStore(str(models)), "v1")
    assert set(outcomes) == {False, True}
    assert outcomes == sorted(outcomes)


def test_two_writers_at_once_without_renames_are_found_by_reading_back(tmp_path: Path) -> None:
    """The second one writes the rules while the first is about to write its manifest."""
    files = local(tmp_path)

    class Overtaken(DyingFiles):
        def move(self, src: str, dest: str) -> None:
            with files.open_output_stream("models/v1/rules.json") as stream:
                stream.write(b"of somebody else")
            super().move(src, dest)

    with pytest.raises(Refused, match="Somebody else wrote 'v1'"):
        ModelStore("models", fs.PyFileSystem(Overtaken(files, 100))).write("v1", CONTENTS)


def test_a_folder_without_a_manifest_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / "model.onnx").write_bytes(b"half")

    with pytest.raises(Refused, match=r"folder 'v1' without a manifest\.json.* Delete that folder"):
        ModelStore(str(tmp_path)).write("v1", CONTENTS)


def test_a_folder_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")

    with pytest.raises(Misconfigured, match="cannot be used"):
        ModelStore(str(tmp_path / "models")).write("v1", CONTENTS)
