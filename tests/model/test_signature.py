"""A worker that trusts some keys loads what one of them has signed, and nothing else."""

import subprocess
from pathlib import Path

import msgspec
import pytest

from contracts.errors import Misconfigured
from model.release import copy_release, load_release, read_files, write_files, write_release
from model.signature import TrustedKeys, read_signing_key, read_trusted_keys
from tests.model.test_release import draft


def openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def new_key(folder: Path, name: str) -> Path:
    """A private key, made as the docs make it; its public one beside it."""
    private = folder / f"{name}.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-out", private.with_suffix(".public"))
    return private


@pytest.fixture
def signer(tmp_path: Path) -> Path:
    return new_key(tmp_path, "signer")


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    return new_key(tmp_path, "stranger")


@pytest.fixture
def models(tmp_path: Path, signer: Path) -> Path:
    """A store with the releases `unsigned` and `signed`."""
    models = tmp_path / "models"
    write_release(str(models), "unsigned", draft())
    manifest, contents = read_files(str(models), "unsigned")
    signed = msgspec.structs.replace(manifest, version="signed")
    write_files(str(models), signed, contents, read_signing_key(signer))
    return models


def keys(*privates: Path) -> TrustedKeys:
    """The public keys of some private ones, in one file."""
    together = privates[0].parent / "trusted"
    together.write_bytes(b"some words\n".join(path.with_suffix(".public").read_bytes() for path in privates))
    found = read_trusted_keys(together)
    assert found is not None
    return found


def test_a_release_signed_by_any_of_the_trusted_keys_loads(models: Path, signer: Path, stranger: Path) -> None:
    assert load_release(str(models), "signed", keys(signer)).version == "signed"
    assert load_release(str(models), "signed", keys(stranger, signer)).version == "signed"


def test_a_release_of_another_key_is_refused(models: Path, stranger: Path) -> None:
    with pytest.raises(Misconfigured, match=r"'signed' has a signature, but of none of the 1 key"):
        load_release(str(models), "signed", keys(stranger))


def test_a_release_without_a_signature_is_refused_where_one_is_wanted(models: Path, signer: Path) -> None:
    with pytest.raises(Misconfigured, match=r"'unsigned' is not signed.* SLIDR_SIGNING_KEY_FILE"):
        load_release(str(models), "unsigned", keys(signer))

    assert load_release(str(models), "unsigned").version == "unsigned"


def test_a_manifest_that_was_changed_after_signing_is_refused(models: Path, signer: Path) -> None:
    """Only a space more: what is signed are the bytes."""
    path = models / "signed" / "manifest.json"
    path.write_bytes(path.read_bytes() + b" ")

    with pytest.raises(Misconfigured, match="its manifest was changed since"):
        load_release(str(models), "signed", keys(signer))


def test_a_signed_release_under_another_name_is_refused(models: Path, signer: Path) -> None:
    (models / "signed").rename(models / "older")

    with pytest.raises(Misconfigured, match="its manifest says that it is 'signed'"):
        load_release(str(models), "older", keys(signer))


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_signature_cut_or_grown_is_refused(models: Path, signer: Path, length: int) -> None:
    path = models / "signed" / "manifest.sig"
    path.write_bytes((path.read_bytes() + b"x")[:length])

    with pytest.raises(Misconfigured, match="but of none of the 1 key"):
        load_release(str(models), "signed", keys(signer))


def test_the_built_in_release_needs_no_signature(signer: Path) -> None:
    assert load_release("nowhere", "pass-through", keys(signer)).onnx is None


def test_a_copy_is_signed_by_whoever_makes_it(models: Path, stranger: Path, tmp_path: Path) -> None:
    copies = str(tmp_path / "copies")

    copy_release(str(models), copies, "signed", read_signing_key(stranger))

    assert load_release(copies, "signed", keys(stranger)).version == "signed"


def test_openssl_finds_the_signature_right(models: Path, signer: Path) -> None:
    release = models / "signed"
    of = ["-in", release / "manifest.json", "-sigfile", release / "manifest.sig"]

    openssl("pkeyutl", "-verify", "-pubin", "-inkey", signer.with_suffix(".public"), "-rawin", *of)


def test_a_file_without_a_signing_key_is_refused_with_the_way_to_one(tmp_path: Path, signer: Path) -> None:
    wrong, rsa, encrypted = (tmp_path / name for name in ("wrong.pem", "rsa.pem", "encrypted.pem"))
    wrong.write_text("no key")
    openssl("genpkey", "-algorithm", "rsa", "-out", rsa)
    openssl("pkey", "-in", signer, "-aes256", "-passout", "pass:secret", "-out", encrypted)

    with pytest.raises(Misconfigured, match=r"is no PEM private key\. .*openssl genpkey -algorithm ed25519"):
        read_signing_key(wrong)
    with pytest.raises(Misconfigured, match=r"is not of Ed25519\. .*openssl genpkey -algorithm ed25519"):
        read_signing_key(rsa)
    with pytest.raises(Misconfigured, match="is encrypted"):
        read_signing_key(encrypted)
    with pytest.raises(Misconfigured, match="No such file"):
        read_signing_key(tmp_path / "nothing.pem")


def test_a_file_of_trusted_keys_with_none_or_a_strange_one_is_refused(tmp_path: Path, signer: Path) -> None:
    damaged, rsa = tmp_path / "damaged.pem", tmp_path / "rsa.pem"
    damaged.write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    openssl("genpkey", "-algorithm", "rsa", "-out", tmp_path / "rsa.key")
    openssl("pkey", "-in", tmp_path / "rsa.key", "-pubout", "-out", rsa)

    with pytest.raises(Misconfigured, match="has no PEM public key"):
        read_trusted_keys(signer)
    with pytest.raises(Misconfigured, match="damaged public key"):
        read_trusted_keys(damaged)
    with pytest.raises(Misconfigured, match="not of Ed25519"):
        read_trusted_keys(rsa)


def test_without_a_file_nothing_is_asked_of_signatures() -> None:
    assert read_trusted_keys(None) is None
    assert read_signing_key(None) is None


def test_a_release_from_before_signing_may_be_signed_by_openssl(models: Path, signer: Path) -> None:
    release = models / "unsigned"
    to = ["-in", release / "manifest.json", "-out", release / "manifest.sig"]

    openssl("pkeyutl", "-sign", "-inkey", signer, "-rawin", *to)

    assert load_release(str(models), "unsigned", keys(signer)).version == "unsigned"
