"""The folder of releases, over any Arrow file system: `<models>/<version>/<file>`, written whole or not at all."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pyarrow import fs

from contracts.errors import Misconfigured, Refused
from contracts.files import Place, errors_of, flush, open_place
from model.manifest import FILES, MANIFEST, check_version

_SHOWN: Final = 10


class ModelStore:
    """Releases below `uri`: a path, or a URI such as `file:///var/lib/slidr/models` or `s3://bucket/models`.

    With `files`, an Arrow file system, `uri` is a folder in that one.

    Every method raises Unavailable when the store does not answer, and Misconfigured when it never will.
    """

    def __init__(self, uri: str, files: Any = None) -> None:
        self._uri = uri
        self._place = Place(uri, "model store", "releases", "SLIDR_MODELS_URI", "s3://bucket/models")
        with errors_of(self._place):
            self._files, self._base = open_place(uri, files)

    def versions(self) -> list[str]:
        """Versions with a manifest, in the order of their names."""
        return [path for path in self._with_manifest() if path and "/" not in path]

    def _with_manifest(self) -> list[str]:
        """Folders that hold a manifest, however deep; "" if this one does. With a dot: still being written."""
        with errors_of(self._place):
            found = self._files.get_file_info(fs.FileSelector(self._base, allow_not_found=True, recursive=True))
        inside = [info.path.removeprefix(self._base).strip("/") for info in found if info.base_name == MANIFEST]
        return sorted(path.rpartition("/")[0] for path in inside if not path.startswith("."))

    def read(self, version: str, name: str) -> bytes:
        """Content of one file of a release. Raises Misconfigured if it is missing."""
        check_version(version)
        try:
            with errors_of(self._place), self._files.open_input_file(f"{self._base}/{version}/{name}") as file:
                return bytes(file.read())
        except FileNotFoundError as error:
            raise Misconfigured(
                f"Release {version!r} cannot be read from {self._uri}: it has no {name}. {self._there()}"
            ) from error

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

    def write(self, version: str, contents: Mapping[str, bytes]) -> None:
        """Write a release; readers see all of it or nothing. Raises Refused if the version exists."""
        check_version(version)
        with errors_of(self._place):
            if self._files.get_file_info(f"{self._base}/{version}/{MANIFEST}").type is not fs.FileType.NotFound:
                raise self._exists(version)
            if isinstance(self._files, fs.LocalFileSystem):
                self._write_folder(version, contents)
            else:
                self._write_objects(version, contents)

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
            except OSError as error:  # somebody else's folder of that name is there, and not empty
                raise self._exists(version) from error
            flush(models)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _write_objects(self, version: str, contents: Mapping[str, bytes]) -> None:
        """Object stores have no rename: the manifest goes last, and without it there is no release to read."""
        self._files.create_dir(f"{self._base}/{version}", recursive=True)
        for name, content in [(name, contents[name]) for name in (*FILES, MANIFEST)]:
            with self._files.open_output_stream(f"{self._base}/{version}/{name}") as stream:
                stream.write(content)

    def _exists(self, version: str) -> Refused:
        return Refused(
            f"{self._uri} has a release {version!r} already, and releases never change. Write it under a new version."
        )
