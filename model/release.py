"""Releases: all that decides a click, read whole, verified, and never changed once written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from contracts.errors import Refused
from contracts.events import DEVICES, Device
from contracts.features import FEATURE_IDS, FEATURE_INDEX
from contracts.ports import FloatMatrix
from contracts.verdicts import SliceBands
from model import manifest as form
from model.manifest import Manifest, Training
from model.store import ModelStore

PASS_THROUGH: Final = "pass-through"


@dataclass(frozen=True, eq=False)
class Release:
    """One release in memory. `onnx` None: there is no model and every score is 0 (the built-in release).

    `columns` (F,) are the places of `feature_ids` in the feature table; None stands for the whole table as it is.
    `rules_json` is the file of rule lists (format: rules/).
    """

    version: str
    feature_ids: tuple[str, ...]
    columns: npt.NDArray[np.intp] | None
    thresholds: Mapping[str, float]
    rules_json: bytes
    onnx: bytes | None
    manifest: Manifest | None

    def gather(self, table: FloatMatrix) -> FloatMatrix:
        """What the model reads of the feature table: (n, all) float32 -> (n, F) float32."""
        return table if self.columns is None else table[:, self.columns]

    @cached_property
    def slices(self) -> dict[bool, dict[Device, tuple[str, float]]]:
        """Slice and its threshold, by `logged_in` and then by device."""
        names = {(login, device): form.slice_name(device, login) for login in (True, False) for device in DEVICES}
        return {
            login: {device: (names[login, device], self.thresholds[names[login, device]]) for device in DEVICES}
            for login in (True, False)
        }


@dataclass(frozen=True)
class Draft:
    """What a new release is made of; `write_release` adds its version and the digests.

    `calibration_json` has a threshold per slice (`manifest.Calibration`), and may explain them. `expected`: by slice,
    what it is expected to do to live clicks.
    """

    onnx: bytes
    rules_json: bytes
    calibration_json: bytes
    feature_ids: tuple[str, ...]
    training: Training
    metrics: Mapping[str, float]
    created_at_ms: int
    parent: str | None = None
    expected: Mapping[str, SliceBands] = field(default_factory=dict)


def columns_of(feature_ids: tuple[str, ...]) -> npt.NDArray[np.intp] | None:
    """Places of known features in the feature table, (F,); None if they are the whole table in its order."""
    return None if feature_ids == FEATURE_IDS else np.array([FEATURE_INDEX[i] for i in feature_ids], np.intp)


def pass_through() -> Release:
    """The release that is always there: every click is valid unless one of the product's default rules fires."""
    return Release(
        version=PASS_THROUGH,
        feature_ids=(),
        columns=None,
        thresholds=dict.fromkeys(form.SLICES, 1.0),
        rules_json=b"{}",
        onnx=None,
        manifest=None,
    )


def load_release(models_uri: str, version: str) -> Release:
    """Read a release and verify every file of it; `models_uri` as in `ModelStore`.

    Raises Misconfigured for an unsafe name, a missing or altered file or features that are unknown here, and
    Unavailable when the store does not answer.
    """
    if version == PASS_THROUGH:
        return pass_through()
    store = ModelStore(models_uri)
    manifest = form.read_manifest(version, store.read(version, form.MANIFEST))
    contents = {name: store.read(version, name) for name in form.FILES}
    form.check_digests(version, manifest, contents)
    return Release(
        version=version,
        feature_ids=manifest.feature_ids,
        columns=columns_of(manifest.feature_ids),
        thresholds=form.read_thresholds(version, contents[form.CALIBRATION]),
        rules_json=contents[form.RULES],
        onnx=contents[form.MODEL],
        manifest=manifest,
    )


def write_release(models_uri: str, version: str, draft: Draft) -> Manifest:
    """Write a release whole. Raises Refused if the version exists, Misconfigured for a draft that would not load."""
    if version == PASS_THROUGH:
        raise Refused(f"{PASS_THROUGH!r} is the built-in release; choose another version.")
    contents = {
        form.MODEL: draft.onnx,
        form.CALIBRATION: draft.calibration_json,
        form.RULES: draft.rules_json,
    }
    manifest = Manifest(
        version=version,
        feature_ids=draft.feature_ids,
        files={name: form.sha256(content) for name, content in contents.items()},
        training=draft.training,
        metrics=dict(draft.metrics),
        created_at_ms=draft.created_at_ms,
        parent=draft.parent,
        expected=dict(draft.expected),
    )
    contents[form.MANIFEST] = _pretty(manifest)
    form.read_manifest(version, contents[form.MANIFEST])
    form.read_thresholds(version, contents[form.CALIBRATION])
    ModelStore(models_uri).write(version, contents)
    return manifest


def copy_release(from_uri: str, to_uri: str, version: str) -> None:
    """Write a release of one store to another. Raises as `load_release` and `write_release` do."""
    load_release(from_uri, version)
    store = ModelStore(from_uri)
    ModelStore(to_uri).write(version, {name: store.read(version, name) for name in (*form.FILES, form.MANIFEST)})


def _pretty(record: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
