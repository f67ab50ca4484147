"""Who published a release: an Ed25519 signature (RFC 8032) over the bytes of `manifest.json`, raw in `manifest.sig`.

The manifest names the version and has the sha256 of every other file, so that its signature stands for all of them.
Anybody can check it without SLIDR:

    openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in manifest.json -sigfile manifest.sig
"""

import re
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from contracts.errors import Misconfigured

_PUBLIC = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


class TrustedKeys(NamedTuple):
    """Public keys of which one must have signed a release; `path` is their file."""

    path: str
    keys: tuple[Ed25519PublicKey, ...]

    def check(self, version: str, manifest: bytes, signature: bytes | None) -> None:
        """Raises Misconfigured unless one of the keys has signed exactly these bytes."""
        if signature is None:
            raise Misconfigured(
                f"Release {version!r} is not signed, and only those that a key of {self.path} has signed may be used. "
                "Publish it with SLIDR_SIGNING_KEY_FILE."
            )
        if not any(_signed(key, manifest, signature) for key in self.keys):
            raise Misconfigured(
                f"Release {version!r} has a signature, but of none of the {len(self.keys)} key(s) of {self.path}: "
                "another key signed it, or its manifest was changed since. If it comes from somebody you trust, add "
                "their public key to that file; else publish your own."
            )


def read_trusted_keys(path: Path | None) -> TrustedKeys | None:
    """PEM public keys, one after the other; None if no file is named.

    Raises Misconfigured for a file without a key, or with one of another kind.
    """
    if path is None:
        return None
    blocks = _PUBLIC.findall(_read(path, "SLIDR_TRUSTED_KEYS_FILE"))
    if not blocks:
        raise Misconfigured(
            f"{path} (SLIDR_TRUSTED_KEYS_FILE) has no PEM public key. Put one there: "
            f"openssl pkey -in private.pem -pubout >> {path}"
        )
    return TrustedKeys(str(path), tuple(_public_key(path, block) for block in blocks))


def read_signing_key(path: Path | None) -> Ed25519PrivateKey | None:
    """A PEM private key; None if no file is named.

    Raises Misconfigured for a file that is none, has a password, or is of another kind of key.
    """
    if path is None:
        return None
    remedy = f"Make one: openssl genpkey -algorithm ed25519 -out {path}"
    try:
        key = load_pem_private_key(_read(path, "SLIDR_SIGNING_KEY_FILE"), password=None)
    except TypeError as error:
        raise Misconfigured(
            f"The signing key {path} is encrypted, and there is nobody to ask for its password. Decrypt it where only "
            f"you can read it: openssl pkey -in {path} -out decrypted.pem"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Misconfigured(f"{path} (SLIDR_SIGNING_KEY_FILE) is no PEM private key. {remedy}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Misconfigured(f"The signing key {path} is not of Ed25519. {remedy}")
    return key


def _public_key(path: Path, block: bytes) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(block)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Misconfigured(f"{path} (SLIDR_TRUSTED_KEYS_FILE) has a damaged public key. Copy it again.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise Misconfigured(f"{path} (SLIDR_TRUSTED_KEYS_FILE) has a key that is not of Ed25519. Take it out.")
    return key


def _signed(key: Ed25519PublicKey, manifest: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, manifest)
    except InvalidSignature:
        return False
    return True


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"{path} ({setting}) cannot be read: {error.strerror}.") from error
