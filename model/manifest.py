"""What stands in a release folder, and what makes it whole: file names, formats, slices, digests.

<models>/<version>/
    model.onnx         input "features" (n, F) float32, F = the manifest's feature ids in order; output
                       "probability" (n,) float32
    calibration.json   a threshold per slice
    rules.json         the rule lists (format: rules/)
    report.html        for people; workers do not read it, and older releases lack it
    manifest.json      sha256 of the files above, feature ids, training range, metrics, parent
    manifest.sig       a signature of manifest.json, if there is one (`model/signature.py`)
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from contracts.errors import Misconfigured
from contracts.events import DEVICES, Device, TimeMs
from contracts.features import FEATURE_INDEX
from contracts.verdicts import GuardrailVerdict, SliceBands

FORMAT: Final = 1
MODEL: Final = "model.onnx"
CALIBRATION: Final = "calibration.json"
RULES: Final = "rules.json"
REPORT: Final = "report.html"
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
# What a worker reads.
FILES: Final = (MODEL, CALIBRATION, RULES)

T = TypeVar("T")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def slice_name(device: Device, logged_in: bool) -> str:
    """Slice of a click: `slice_name("mobile", True)` is `mobile|user`, not logged in is `mobile|guest`."""
    return f"{device}|{'user' if logged_in else 'guest'}"


SLICES: Final = tuple(slice_name(device, logged_in) for device in DEVICES for logged_in in (True, False))

# A score lies in [0, 1], so that a threshold above 1 invalidates nothing.
Threshold = Annotated[float, Meta(ge=0, le=2)]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Calibration(Struct, frozen=True):
    """`calibration.json`: a click is invalid when its written score reaches its slice's threshold."""

    thresholds: dict[str, Threshold]
    format: Annotated[int, Meta(ge=FORMAT, le=FORMAT)] = FORMAT


def thresholds_json(thresholds: Mapping[str, float]) -> bytes:
    """A `calibration.json` that explains nothing."""
    return msgspec.json.encode(Calibration(dict(thresholds)))


class Training(Struct, frozen=True):
    """Which clicks a model has learned from: `clicks` of them, clicked from `from_ms` up to before `to_ms`."""

    from_ms: TimeMs
    to_ms: TimeMs
    clicks: int
    seed: int


class Manifest(Struct, frozen=True):
    """`manifest.json`: what the release is, and the sha256 of every other file in the folder.

    `expected`: by slice, what it is expected to do to live clicks. `verdicts`: what guardrails said when it was
    published; `override`: why it was published although some of them blocked it.
    """

    version: str
    feature_ids: tuple[str, ...]
    files: dict[str, Digest]
    training: Training
    metrics: dict[str, float]
    created_at_ms: TimeMs
    parent: str | None = None
    expected: dict[str, SliceBands] = {}
    verdicts: tuple[GuardrailVerdict, ...] = ()
    override: str | None = None
    format: Annotated[int, Meta(ge=FORMAT, le=FORMAT)] = FORMAT


def sha256(content: bytes) -> str:
    """Digest of a file as the manifest writes it."""
    return hashlib.sha256(content).hexdigest()


def check_version(version: str) -> None:
    """Refuse a version that is not safe as the name of a folder. Raises Misconfigured."""
    if not _VERSION.fullmatch(version):
        raise Misconfigured(
            f"{version!r} cannot be the version of a release: it may have letters, digits, '.', '_' and '-', "
            "must begin with a letter or digit and be at most 100 characters long."
        )


def read_manifest(version: str, content: bytes) -> Manifest:
    """Decode and check `manifest.json`. Raises Misconfigured with a sentence for whatever cannot be used."""
    manifest = _decode(version, MANIFEST, content, Manifest)
    if manifest.version != version:
        raise Misconfigured(
            f"Release {version!r}: its manifest says that it is {manifest.version!r}. "
            "A folder was renamed or copied; publish the release again under its own version."
        )
    if set(manifest.files) - {REPORT} != set(FILES):
        raise Misconfigured(
            f"Release {version!r}: the manifest lists {sorted(manifest.files)}; expected exactly {sorted(FILES)}, "
            f"and {REPORT} if there is one. Publish it again."
        )
    _check_feature_ids(version, manifest.feature_ids)
    return manifest


def read_thresholds(version: str, content: bytes) -> dict[str, float]:
    """Thresholds of `calibration.json`, one for each of `SLICES`. Raises Misconfigured."""
    thresholds = _decode(version, CALIBRATION, content, Calibration).thresholds
    if set(thresholds) != set(SLICES):
        missing, unknown = sorted(set(SLICES) - set(thresholds)), sorted(set(thresholds) - set(SLICES))
        raise Misconfigured(
            f"Release {version!r}: {CALIBRATION} must name every slice once; missing {missing}, unknown {unknown}. "
            "Calibrate the release again."
        )
    return thresholds


def check_digests(version: str, manifest: Manifest, contents: Mapping[str, bytes]) -> None:
    """Refuse a file, of those given, that is not the one the manifest was written for. Raises Misconfigured."""
    for name, content in contents.items():
        found, expected = sha256(content), manifest.files[name]
        if found != expected:
            raise Misconfigured(
                f"Release {version!r}: {name} has sha256 {found[:12]}..., the manifest says {expected[:12]}...; "
                "the file was changed or damaged. Publish the release again under a new version."
            )


def _check_feature_ids(version: str, feature_ids: tuple[str, ...]) -> None:
    unknown = [feature_id for feature_id in feature_ids if feature_id not in FEATURE_INDEX]
    if unknown:
        raise Misconfigured(
            f"Release {version!r} uses features that this version of SLIDR does not know: {', '.join(unknown)}. "
            "Run the version that the release was made for, or a newer one."
        )
    if not feature_ids or len(set(feature_ids)) != len(feature_ids):
        raise Misconfigured(f"Release {version!r}: its feature ids are empty or repeat themselves. Train it again.")


def _decode(version: str, name: str, content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"Release {version!r}: {name} cannot be read: {error}. Publish it again.") from error
