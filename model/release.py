"""Releases: all that decides a click, read whole, verified, and never changed once written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.errors import Refused
from contracts.events import DEVICES, Device
from contracts.features import FEATURE_IDS, FEATURE_INDEX
from contracts.ports import FloatMatrix
from contracts.verdicts import SliceBands
from model import manifest as form
from model.manifest import Manifest, Training
from model.signature import TrustedKeys
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


def load_release(models_uri: str, version: str, trusted: TrustedKeys | None = None) -> Release:
    """Read a release and verify every file that decides; `models_uri` as in `ModelStore`.

    With `trusted`, its manifest must be signed by one of those keys. The built-in release needs no signature.

    Raises Misconfigured for an unsafe name, a missing or altered file, a missing or strange signature or features
    that are unknown here, and Unavailable when the store does not answer.
    """
    if version == PASS_THROUGH:
        return pass_through()
    manifest, contents = _read(ModelStore(models_uri), version, form.FILES, trusted)
    return Release(
        version=version,
        feature_ids=manifest.feature_ids,
        columns=columns_of(manifest.feature_ids),
        thresholds=form.read_thresholds(version, contents[form.CALIBRATION]),
        rules_json=contents[form.RULES],
        onnx=contents[form.MODEL],
        manifest=manifest,
    )


def read_files(models_uri: str, version: str) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest, and all files that it names, verified. Raises as `load_release` does."""
    return _read(ModelStore(models_uri), version, (*form.FILES, form.REPORT), None)


def _read(
    store: ModelStore, version: str, names: tuple[str, ...], trusted: TrustedKeys | None
) -> tuple[Manifest, dict[str, bytes]]:
    written = store.read(version, form.MANIFEST)
    if trusted is not None:
        trusted.check(version, written, store.find(version, form.SIGNATURE))
    manifest = form.read_manifest(version, written)
    contents = {name: store.read(version, name) for name in names if name in manifest.files}
    form.check_digests(version, manifest, contents)
    return manifest, contents


def write_release(models_uri: str, version: str, draft: Draft) -> Manifest:
    """Write a release whole. Raises Refused if the version exists, Misconfigured for a draft that would not load."""
    manifest = Manifest(
        version=version,
        feature_ids=draft.feature_ids,
        files={},
        training=draft.training,
        metrics=dict(draft.metrics),
        created_at_ms=draft.created_at_ms,
        parent=draft.parent,
        expected=dict(draft.expected),
    )
    contents = {
        form.MODEL: draft.onnx,
        form.CALIBRATION: draft.calibration_json,
        form.RULES: draft.rules_json,
    }
    return write_files(models_uri, manifest, contents)


def write_files(
    models_uri: str, manifest: Manifest, contents: Mapping[str, bytes], key: Ed25519PrivateKey | None = None
) -> Manifest:
    """Write a release whole, signed if there is a `key`: the manifest is given the digests of `contents`.

    Raises Refused if the version exists, Misconfigured for files that would not load.
    """
    version = manifest.version
    if version == PASS_THROUGH:
        raise Refused(f"{PASS_THROUGH!r} is the built-in release; choose another version.")
    digests = {name: form.sha256(content) for name, content in contents.items()}
    manifest = msgspec.structs.replace(manifest, files=digests)
    written = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    form.read_manifest(version, written)
    form.read_thresholds(version, contents[form.CALIBRATION])
    signed = {} if key is None else {form.SIGNATURE: key.sign(written)}
    ModelStore(models_uri).write(version, {**contents, **signed, form.MANIFEST: written})
    return manifest


def copy_release(from_uri: str, to_uri: str, version: str, key: Ed25519PrivateKey | None = None) -> None:
    """Write a release of one store to another, signed if there is a `key`, without a signature that it may have had.

    Raises as `load_release` and `write_release` do.
    """
    manifest, contents = read_files(from_uri, version)
    write_files(to_uri, manifest, contents, key)
