"""From a candidate to a published release: judged by the guardrails, its report with their verdicts, signed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from contracts.errors import Misconfigured, Refused
from contracts.verdicts import GuardrailVerdict
from model.manifest import FILES, REPORT, Manifest
from model.release import PASS_THROUGH, Release, load_release, read_files, write_files
from model.signature import TrustedKeys
from model.store import ModelStore
from slidr.guarding_file import release_files
from slidr.report.verdicts import with_verdicts
from slidr.retrain.layout import RELEASE, version_in
from slidr.retrain.layout import REPORT as CANDIDATE_REPORT


class Asked(NamedTuple):
    """Where to publish and how.

    `judge(candidate, champion)`: what guardrails say of it. `champion`: the release that it is to take the place of.
    `override`: why it is published although guardrails block it. It is signed if there is a `key`; `trusted` are the
    keys that workers ask for.
    """

    models_uri: str
    judge: Callable[[Path, Release | None], Sequence[GuardrailVerdict]]
    champion: str | None = None
    override: str | None = None
    key: Ed25519PrivateKey | None = None
    trusted: TrustedKeys | None = None


class Outcome(Struct, frozen=True):
    """What came of it. Not `published`: guardrails block it. `already`: it was there before, judged at that time."""

    version: str
    models_uri: str
    published: bool
    already: bool
    parent: str | None
    override: str | None
    verdicts: tuple[GuardrailVerdict, ...]


def publish(candidate: Path, asked: Asked) -> Outcome:
    """Judge the candidate of `slidr retrain` and, if nothing blocks it, write its release to the model store.

    Killed at any point, all of the release is there or nothing; the same call does what is left to do.

    Raises Misconfigured for a folder without a finished candidate, an unknown champion or keys that do not fit, Refused
    where the store has another release of that version, Unavailable when it does not answer.
    """
    version = version_in(candidate)
    _check_signer(version, asked)
    files = release_files(candidate, version)
    if files.outcome == "blocked":  # workers would refuse it, whatever reason there is to publish it
        return Outcome(version, asked.models_uri, False, False, None, None, (files,))
    draft, contents = read_files(str(candidate / RELEASE), version)
    if published := _published(asked.models_uri, version, contents):
        return _told(published, asked, already=True)
    champion = _champion(asked)
    draft = msgspec.structs.replace(
        draft,
        parent=champion.version if champion else draft.parent,
        verdicts=tuple(asked.judge(candidate, champion)),
        override=None,
    )
    if blocking(draft.verdicts):
        if asked.override is None:
            return Outcome(version, asked.models_uri, False, False, draft.parent, None, draft.verdicts)
        draft = msgspec.structs.replace(draft, override=asked.override)
    page = with_verdicts(_report(candidate), draft.verdicts, draft.override)
    written = write_files(asked.models_uri, draft, {**contents, REPORT: page.encode()}, asked.key)
    return _told(written, asked, already=False)


def blocking(verdicts: Sequence[GuardrailVerdict]) -> list[GuardrailVerdict]:
    """Those that block."""
    return [verdict for verdict in verdicts if verdict.outcome == "blocked"]


def _told(manifest: Manifest, asked: Asked, *, already: bool) -> Outcome:
    return Outcome(
        manifest.version, asked.models_uri, True, already, manifest.parent, manifest.override, manifest.verdicts
    )


def _check_signer(version: str, asked: Asked) -> None:
    """Better now than when a worker refuses it."""
    if asked.trusted is not None:
        sample = version.encode()
        asked.trusted.check(version, sample, None if asked.key is None else asked.key.sign(sample))


def _published(models_uri: str, version: str, contents: Mapping[str, bytes]) -> Manifest | None:
    """Manifest of the same release in the store; None if there is none of that version."""
    if not ModelStore(models_uri).has(version):
        return None
    manifest, there = read_files(models_uri, version)
    if different := [name for name in FILES if there[name] != contents[name]]:
        raise Refused(
            f"{models_uri} has a release {version!r} already, with another {' and '.join(different)}. Releases never "
            "change: make a new candidate."
        )
    return manifest


def _champion(asked: Asked) -> Release | None:
    version = asked.champion
    if version not in (None, PASS_THROUGH) and not ModelStore(asked.models_uri).has(version):
        raise Misconfigured(
            f"There is no release {version!r} in {asked.models_uri} to take the place of. `slidr releases` lists them."
        )
    return load_release(asked.models_uri, version, asked.trusted) if version else None


def _report(candidate: Path) -> str:
    path = candidate / CANDIDATE_REPORT
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(
            f"The report {path} cannot be read: {error}. Make the candidate again, in a new folder."
        ) from error
