"""The folder of releases, over any Arrow file system: `<models>/<version>/<file>`, written whole or not at all."""

import errno
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pyarrow import fs

from contracts.errors import Misconfigured, Refused
from contracts.files import Place, errors_of, flush, open_place
from model.manifest import MANIFEST, check_version

_SHOWN: Final = 10
_NOT_EMPTY: Final = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)
_NEW_MANIFEST: Final = f"{MANIFEST}.new"


class ModelStore:
    """Releases below `uri`: a path, or a URI such as `file:///var/lib/slidr/models` or `s3://bucket/models`.

    With `files`, an Arrow file system, `uri` is a folder in that one.

    Every method raises Unavailable when the store does not answer, and Misconfigured when it never will.
    """

    def __init__(self, uri: str, files: Any = None) -> None:
        self.uri = uri
        self._place = Place(uri, "model store", "releases", "SLIDR_MODELS_URI", "s3://bucket/models")
        with errors_of(self._place):
            self._files, self._base = open_place(uri, files)

    def versions(self) -> list[str]:
        """Versions with a manifest, in the order of their names."""
        return [folder for folder, files in self._folders().items() if _is_release(folder, files)]

    def read(self, version: str, name: str) -> bytes:
        """Content of one file of a release. Raises Misconfigured if it is missing."""
        content = self.find(version, name)
        if content is None:
            raise Misconfigured(
                f"Release {version!r} cannot be read from {self.uri}: it has no {name}. {self._there()}"
            )
        return content

    def find(self, version: str, name: str) -> bytes | None:
        """Content of one file of a release; None if it is missing."""
        check_version(version)
        try:
            with errors_of(self._place), self._files.open_input_file(self._inside(version, name)) as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None

    def has(self, version: str) -> bool:
        """Whether there is such a release."""
        check_version(version)
        with errors_of(self._place):
            found: bool = self._files.get_file_info(self._inside(version, MANIFEST)).type is not fs.FileType.NotFound
        return found

    def write(self, version: str, contents: Mapping[str, bytes]) -> None:
        """Write a release; readers see all of it or nothing, and after a crash the same may be written again.

        Raises Refused if the version exists.
        """
        if self.has(version):
            raise self._exists(version)
        with errors_of(self._place):
            if isinstance(self._files, fs.LocalFileSystem):
                self._write_folder(version, contents)
            else:
                self._write_objects(version, contents)

    def remove(self, version: str) -> None:
        """Remove a release, the manifest first: whoever is cut off leaves no release that lacks a file."""
        check_version(version)
        with errors_of(self._place):
            with suppress(FileNotFoundError):
                self._files.delete_file(self._inside(version, MANIFEST))
            self._files.delete_dir(self._inside(version))

    def remove_remains(self, before_ms: int) -> list[str]:
        """Remove what killed writers and removers left: folders without a manifest, untouched since `before_ms`."""
        remains = [
            folder
            for folder, files in self._folders().items()
            if not _is_release(folder, files) and max(map(_changed_ms, files), default=0) < before_ms
        ]
        for folder in remains:
            with errors_of(self._place), suppress(FileNotFoundError):
                self._files.delete_dir(self._inside(folder))
        return remains

    def _there(self) -> str:
        """What there is instead, and what to do."""
        if versions := self.versions():
            return f"Releases there: {', '.join([*versions[-_SHOWN:], 'pass-through'])}."
        with_manifest = self._with_manifest()
        if "" in with_manifest:
            return "It is itself a release: set SLIDR_MODELS_URI to the folder above it."
        if deeper := sorted({path.rpartition("/")[0] for path in with_manifest}):
            return f"Releases lie deeper, in {', '.join(deeper[:_SHOWN])}: set SLIDR_MODELS_URI to such a folder."
        return "There is no release yet, only pass-through: `slidr train` makes one; or set SLIDR_MODELS_URI elsewhere."

    def _with_manifest(self) -> list[str]:
        """Folders that hold a manifest, however deep; "" if the store's own does."""
        with errors_of(self._place):
            found = self._files.get_file_info(fs.FileSelector(self._base, allow_not_found=True, recursive=True))
        inside = [info.path.removeprefix(self._base).strip("/") for info in found if info.base_name == MANIFEST]
        return sorted(path.rpartition("/")[0] for path in inside if not path.startswith("."))

    def _inside(self, *parts: str) -> str:
        return "/".join([self._base, *parts])

    def _folders(self) -> dict[str, list[Any]]:
        """What lies within each folder, and the folder itself, in the order of their names."""
        with errors_of(self._place):
            found = self._files.get_file_info(fs.FileSelector(self._base, allow_not_found=True, recursive=True))
        folders: dict[str, list[Any]] = {}
        for info in found:
            name, *rest = info.path.removeprefix(self._base).lstrip("/").split("/")
            if rest or info.type is fs.FileType.Directory:
                folders.setdefault(name, []).append(info)
        return dict(sorted(folders.items()))

    def _write_folder(self, version: str, contents: Mapping[str, bytes]) -> None:
        """Write beside the final place, flush to the disk, rename: a crash leaves no half of a release."""
        models = Path(self._base)
        models.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{version}.", dir=models))
        try:
            draft.chmod(0o755)  # mkdtemp lets nobody else in, and workers may run as another user
            for name, content in contents.items():
                (draft / name).write_bytes(content)
                flush(draft / name)
            flush(draft)
            try:
                draft.rename(models / version)
            except OSError as error:
                if error.errno in _NOT_EMPTY:  # somebody else's folder of that name is there
                    raise self._exists(version) from error
                raise
            flush(models)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _write_objects(self, version: str, contents: Mapping[str, bytes]) -> None:
        """Folders cannot be renamed here: the manifest goes last, and without it there is no release to read.

        Nor can one ask to be the only writer: two at once are found by reading back what was written.
        """
        self._files.create_dir(self._inside(version), recursive=True)
        for name, content in contents.items():
            if name != MANIFEST:
                self._put(self._inside(version, name), content)
        self._put_manifest(version, contents[MANIFEST])
        if any(self.read(version, name) != content for name, content in contents.items()):
            raise Refused(
                f"Somebody else wrote {version!r} to {self.uri} at the same time, and its files may be of both. "
                "Remove that folder, and publish again, one after the other."
            )

    def _put_manifest(self, version: str, content: bytes) -> None:
        """Moved into its place, where a file shows while it is being written; others show it when it is complete."""
        self._put(self._inside(version, _NEW_MANIFEST), content)
        try:
            self._files.move(self._inside(version, _NEW_MANIFEST), self._inside(version, MANIFEST))
        except NotImplementedError:
            self._put(self._inside(version, MANIFEST), content)
            self._files.delete_file(self._inside(version, _NEW_MANIFEST))

    def _put(self, path: str, content: bytes) -> None:
        with self._files.open_output_stream(path) as stream:
            stream.write(content)

    def _exists(self, version: str) -> Refused:
        if self.has(version):
            return Refused(
                f"{self.uri} has a release {version!r} already, and releases never change. "
                "Write it under a new version."
            )
        return Refused(
            f"{self.uri} has a folder {version!r} without a {MANIFEST}: what is left of a copy or a removal that was "
            "cut off. Delete that folder and write again."
        )


def _is_release(folder: str, files: list[Any]) -> bool:
    """A dot: still being written."""
    return not folder.startswith(".") and any(info.path.endswith(f"{folder}/{MANIFEST}") for info in files)


def _changed_ms(info: Any) -> float:
    """Object stores know no time of a folder."""
    return 0.0 if info.mtime is None else info.mtime.timestamp() * 1000
