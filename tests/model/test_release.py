"""A release is read whole and verified, or refused with a sentence; once written it never changes."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from pyarrow import fs

from contracts.errors import Misconfigured, Refused, Unavailable
from contracts.features import FEATURE_IDS
from model.manifest import FILES, SLICES, Training, sha256, thresholds_json
from model.release import Draft, copy_release, load_release, read_files, write_files, write_release
from model.store import ModelStore

NOW_MS = 1_700_000_000_000


def draft(**changes: Any) -> Draft:
    made: dict[str, Any] = {
        "onnx": b"onnx bytes",
        "rules_json": b"{}",
        "calibration_json": thresholds_json(dict.fromkeys(SLICES, 0.75)),
        "feature_ids": ("logged_in", "ip_clicks_1h"),
        "training": Training(NOW_MS - 1000, NOW_MS, clicks=10, seed=1),
        "metrics": {"ivr": 0.2},
        "created_at_ms": NOW_MS,
    }
    return Draft(**(made | changes))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.mark.parametrize("uri", [str, Path.as_uri], ids=["path", "file URI"])
def test_a_release_reads_back_as_it_was_written(models: Path, uri: Callable[[Path], str]) -> None:
    write_release(uri(models), "v1", draft(parent="v0"))

    release = load_release(uri(models), "v1")

    assert (release.version, release.onnx, release.rules_json) == ("v1", b"onnx bytes", b"{}")
    assert release.thresholds == dict.fromkeys(SLICES, 0.75)
    assert release.manifest is not None
    assert release.manifest.parent == "v0"
    assert release.manifest.files == {name: sha256((models / "v1" / name).read_bytes()) for name in FILES}


def test_the_model_sees_its_features_in_its_own_order(models: Path) -> None:
    write_release(str(models), "v1", draft())
    table = np.arange(2 * len(FEATURE_IDS), dtype=np.float32).reshape(2, -1)

    gathered = load_release(str(models), "v1").gather(table)

    expected = [FEATURE_IDS.index("logged_in"), FEATURE_IDS.index("ip_clicks_1h")]
    assert gathered.tolist() == table[:, expected].tolist()


def test_a_release_of_the_whole_table_gathers_without_a_copy(models: Path) -> None:
    write_release(str(models), "v1", draft(feature_ids=FEATURE_IDS))
    table = np.zeros((2, len(FEATURE_IDS)), np.float32)

    assert load_release(str(models), "v1").gather(table) is table


def test_the_built_in_release_needs_no_store() -> None:
    release = load_release("s3:// no such place", "pass-through")

    assert release.onnx is None
    assert set(release.thresholds) == set(SLICES)


@pytest.mark.parametrize(
    ("below", "says"),
    [
        ("..", r"Releases lie deeper, in models: set SLIDR_MODELS_URI to such a folder\."),
        ("v1", r"It is itself a release: set SLIDR_MODELS_URI to the folder above it\."),
        ("empty", r"There is no release yet, only pass-through: `slidr train` makes one"),
    ],
)
def test_a_models_folder_of_the_wrong_level_says_which_is_the_right_one(models: Path, below: str, says: str) -> None:
    write_release(str(models), "v1", draft())
    store = ModelStore(str((models / below).resolve()))

    with pytest.raises(Misconfigured, match=says):
        store.read("v1", "manifest.json")

    assert store.versions() == []


def test_a_version_is_never_written_twice(models: Path) -> None:
    write_release(str(models), "v1", draft())

    with pytest.raises(Refused, match="'v1' already, and releases never change"):
        write_release(str(models), "v1", draft(onnx=b"other"))

    assert load_release(str(models), "v1").onnx == b"onnx bytes"


def test_of_two_writers_at_once_the_second_is_refused(models: Path) -> None:
    store = ModelStore(str(models))
    write_release(str(models), "v1", draft())

    with pytest.raises(Refused, match="already"):
        store._write_folder("v1", {"manifest.json": b"{}"})

    assert load_release(str(models), "v1").onnx == b"onnx bytes"
    assert os.listdir(models) == ["v1"]


def test_a_write_that_fails_leaves_nothing_behind(models: Path) -> None:
    with pytest.raises(TypeError):
        ModelStore(str(models)).write("v1", {"model.onnx": b"x", "manifest.json": None})  # type: ignore[dict-item]

    assert os.listdir(models) == []


def test_workers_of_another_user_may_read_a_release(models: Path) -> None:
    write_release(str(models), "v1", draft())

    assert stat.S_IMODE((models / "v1").stat().st_mode) == 0o755


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_refused_by_name(models: Path, name: str) -> None:
    write_release(str(models), "v1", draft())
    path = models / "v1" / name
    path.write_bytes(path.read_bytes() + b" ")

    with pytest.raises(Misconfigured, match=rf"{name} has sha256 .* changed or damaged"):
        load_release(str(models), "v1")


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_a_missing_file_is_refused_by_name(models: Path, name: str) -> None:
    write_release(str(models), "v1", draft())
    (models / "v1" / name).unlink()

    with pytest.raises(Misconfigured, match=f"it has no {name}"):
        load_release(str(models), "v1")


def test_an_unknown_version_is_refused_with_those_that_exist(models: Path) -> None:
    write_release(str(models), "v1", draft())
    write_release(str(models), "v2", draft())

    with pytest.raises(Misconfigured, match=r"Releases there: v1, v2, pass-through\."):
        load_release(str(models), "v3")


@pytest.mark.parametrize("version", ["", ".", "..", "../v1", "v1/../v1", "/etc", "v 1", "v1\n", "a" * 101])
def test_a_version_that_is_no_safe_name_is_refused(models: Path, version: str) -> None:
    write_release(str(models), "v1", draft())

    with pytest.raises(Misconfigured, match="cannot be the version of a release"):
        load_release(str(models), version)


def alter(models: Path, **changes: Any) -> None:
    path = models / "v1" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"feature_ids": ["logged_in", "mood"]}, "features that this version of SLIDR does not know: mood"),
        ({"feature_ids": []}, "empty or repeat"),
        ({"feature_ids": ["logged_in", "logged_in"]}, "empty or repeat"),
        ({"version": "v7"}, "its manifest says that it is 'v7'"),
        ({"files": {}}, "the manifest lists"),
        ({"format": 2}, r"cannot be read: .*format"),
        ({"created_at_ms": "noon"}, r"cannot be read: .*created_at_ms"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused(models: Path, changes: dict[str, Any], says: str) -> None:
    write_release(str(models), "v1", draft())
    alter(models, **changes)

    with pytest.raises(Misconfigured, match=says):
        load_release(str(models), "v1")


def test_a_manifest_in_pieces_is_refused(models: Path) -> None:
    write_release(str(models), "v1", draft())
    (models / "v1" / "manifest.json").write_bytes(b'{"version": "\xff')

    with pytest.raises(Misconfigured, match=r"manifest\.json cannot be read"):
        load_release(str(models), "v1")


def test_thresholds_must_name_every_slice(models: Path) -> None:
    thresholds = dict.fromkeys(SLICES, 0.5) | {"fridge|user": 0.5}
    del thresholds["mobile|user"]

    with pytest.raises(Misconfigured, match=r"missing \['mobile\|user'\], unknown \['fridge\|user'\]"):
        write_release(str(models), "v1", draft(calibration_json=thresholds_json(thresholds)))

    assert not models.exists()


def test_the_name_of_the_built_in_release_is_taken(models: Path) -> None:
    with pytest.raises(Refused, match="built-in"):
        write_release(str(models), "pass-through", draft())


@pytest.mark.parametrize("uri", ["gopher://models", "s3://"])
def test_an_address_that_no_file_system_serves_is_refused(uri: str) -> None:
    with pytest.raises(Misconfigured, match="SLIDR_MODELS_URI"):
        load_release(uri, "v1")


def test_a_store_in_the_way_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")

    with pytest.raises(Misconfigured, match="cannot be used"):
        write_release(str(tmp_path / "models"), "v1", draft())


def test_a_store_that_does_not_answer_is_unavailable() -> None:
    uri = "s3://key:secret@models?endpoint_override=127.0.0.1:1&scheme=http&region=eu-west-1"

    with pytest.raises(Unavailable, match="does not answer"):
        load_release(uri, "v1")


def test_a_store_without_renames_shows_no_release_until_its_manifest_stands(models: Path) -> None:
    models.mkdir()
    objects = ModelStore("", fs.SubTreeFileSystem(str(models), fs.LocalFileSystem()))
    contents = dict.fromkeys(FILES, b"content")

    with pytest.raises(TypeError):
        objects.write("v1", contents | {"rules.json": None, "manifest.json": b"{}"})

    assert objects.versions() == []
    objects.write("v1", contents | {"manifest.json": b"{}"})
    assert objects.versions() == ["v1"]
    assert objects.read("v1", "rules.json") == b"content"
    with pytest.raises(Refused, match="already"):
        objects.write("v1", contents | {"manifest.json": b"{}"})


def test_half_written_folders_are_no_versions(models: Path) -> None:
    write_release(str(models), "v1", draft())
    (models / "v2").mkdir()
    (models / ".v3.tmp").mkdir()
    (models / ".v3.tmp" / "manifest.json").write_bytes(msgspec.json.encode({}))

    assert ModelStore(str(models)).versions() == ["v1"]


def test_a_release_may_have_a_report_which_workers_do_not_read(models: Path) -> None:
    manifest = write_release(str(models), "v1", draft())
    _, contents = read_files(str(models), "v1")
    write_files(str(models), msgspec.structs.replace(manifest, version="v2"), contents | {"report.html": b"a page"})

    assert read_files(str(models), "v2")[1]["report.html"] == b"a page"
    (models / "v2" / "report.html").write_bytes(b"another page")
    with pytest.raises(Misconfigured, match=r"report\.html has sha256"):
        read_files(str(models), "v2")
    assert load_release(str(models), "v2").version == "v2"


def test_a_copy_of_a_release_is_the_same_bytes(models: Path, tmp_path: Path) -> None:
    manifest = write_release(str(models), "v1", draft())
    _, contents = read_files(str(models), "v1")
    write_files(str(models), msgspec.structs.replace(manifest, version="v2"), contents | {"report.html": b"a page"})

    copy_release(str(models), str(tmp_path / "copies"), "v2")

    ours, theirs = models / "v2", tmp_path / "copies" / "v2"
    assert sorted(os.listdir(theirs)) == sorted(os.listdir(ours))
    assert all((theirs / name).read_bytes() == (ours / name).read_bytes() for name in os.listdir(ours))
