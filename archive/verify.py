"""Whether a file still is what was committed: size, sha256, rows."""

import hashlib
from typing import Final

from archive.commits import DataFile
from archive.parquet import read_file, reading
from archive.store import ArchiveStore
from contracts.errors import BadInput

_CHUNK_BYTES: Final = 1 << 20


def problem_of(store: ArchiveStore, file: DataFile) -> str | None:
    """What is wrong with a file, in a sentence; None if nothing is. Reads every byte of it."""
    try:
        if _sha256(store, file) != file.sha256:
            for _ in read_file(store, file):  # a reader may be able to say more exactly where
                pass
            return f"{store.address(file.path)} is not the file that was committed. Restore it from a copy."
    except BadInput as error:
        return str(error)
    return None


def _sha256(store: ArchiveStore, file: DataFile) -> str:
    digest = hashlib.sha256()
    with reading(store, file), store.files.open_input_stream(store.inside(file.path)) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
