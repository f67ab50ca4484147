"""The archive's folder on any Arrow file system. Nothing appears half: a file is there whole, or it is not there."""

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pyarrow import fs

from contracts.errors import Unavailable
from contracts.files import archive_place, errors_of, flush, open_place


class ArchiveStore:
    """Files below `uri`: a path, or a URI such as `file:///var/lib/slidr/archive` or `s3://bucket/archive`.

    With `files`, an Arrow file system, `uri` is a folder in that one. Paths are relative to `uri`. Every method raises
    Unavailable when the store does not answer, and Misconfigured when it never will.
    """

    def __init__(self, uri: str, files: Any = None) -> None:
        self.uri = uri
        self._scheme = uri.partition("://")[0] if files is None and "://" in uri else ""
        self._place = archive_place(uri)
        with errors_of(self._place):
            self.files, self._base = open_place(uri, files)
        self.is_local = isinstance(self.files, fs.LocalFileSystem)

    def inside(self, path: str) -> str:
        """The path within the file system `files`."""
        return f"{self._base}/{path}"

    def address(self, path: str) -> str:
        """How other programs name the file: a path on this machine, or a URI."""
        return self.inside(path) if self.is_local or not self._scheme else f"{self._scheme}://{self.inside(path)}"

    def read(self, path: str) -> bytes | None:
        """Content of a file; None if there is none."""
        try:
            with errors_of(self._place), self.files.open_input_file(self.inside(path)) as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None

    def paths(self, folder: str, *, recursive: bool = False) -> list[str]:
        """Files in a folder, by path; none if there is no such folder."""
        with errors_of(self._place):
            selector = fs.FileSelector(self.inside(folder), allow_not_found=True, recursive=recursive)
            found = self.files.get_file_info(selector)
        return sorted(info.path[len(self._base) + 1 :] for info in found if info.type is fs.FileType.File)

    def create(self, path: str, content: bytes) -> bool:
        """Write a file that must not exist yet; False, and nothing changed, if it does.

        On a local file system of two that create the same file at once exactly one succeeds. Object stores are not
        asked for that by Arrow: there a second writer is found by reading back what was written.
        """
        with errors_of(self._place):
            self._make_folder(path)
            if self.is_local:
                return _link_new(Path(self.inside(path)), content)
            if self.read(path) is not None:
                return False
            with self.files.open_output_stream(self.inside(path)) as stream:
                stream.write(content)
        return self.read(path) == content

    @contextmanager
    def writing(self, path: str) -> Iterator["Sink"]:
        """Write a file, which gets its name when the block has ended well."""
        hidden = _hidden(path) if self.is_local else path
        with errors_of(self._place):
            self._make_folder(path)
            stream = self.files.open_output_stream(self.inside(hidden))
            try:
                sink = Sink(stream)
                yield sink
                stream.close()
                if self.is_local:
                    flush(Path(self.inside(hidden)))
                    self.files.move(self.inside(hidden), self.inside(path))
                    flush(Path(self.inside(path)).parent)
            except BaseException as error:
                stream.close()
                self.delete(hidden)
                if isinstance(error, FileNotFoundError):  # swept away by an archiver that has taken over
                    raise Unavailable(f"{self.address(hidden)} vanished while it was written. Try again.") from error
                raise

    def delete(self, path: str) -> None:
        """Delete a file, if it is there."""
        with errors_of(self._place), suppress(FileNotFoundError):
            self.files.delete_file(self.inside(path))

    def _make_folder(self, path: str) -> None:
        self.files.create_dir(self.inside(path).rpartition("/")[0], recursive=True)


class Sink:
    """A stream that keeps count and sha256 of what goes through it; Parquet is written from front to end."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self.bytes = 0
        self.closed = False

    @property
    def sha256(self) -> str:
        """Digest of all bytes so far, in hexadecimal."""
        return self._digest.hexdigest()

    def write(self, content: bytes) -> int:
        """Append."""
        self._digest.update(content)
        self.bytes += len(content)
        self._stream.write(content)
        return len(content)

    def flush(self) -> None:
        """Nothing to do: what counts is the end."""

    def tell(self) -> int:
        """Bytes so far."""
        return self.bytes

    def close(self) -> None:
        """The stream is closed by the one that opened it."""
        self.closed = True


def is_hidden(path: str) -> bool:
    """Whether this is a file that is still being written, or was when its writer died."""
    return path.rpartition("/")[2].startswith(".")


def _hidden(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/.{name}.{uuid.uuid4().hex}"


def _link_new(path: Path, content: bytes) -> bool:
    """A link is made in one step and never over a file that exists."""
    draft = Path(_hidden(str(path)))
    draft.write_bytes(content)
    flush(draft)
    try:
        os.link(draft, path)
    except (FileExistsError, FileNotFoundError):  # there is one; or a newer archiver has swept our draft away
        return False
    finally:
        draft.unlink(missing_ok=True)
    flush(path.parent)
    return True
