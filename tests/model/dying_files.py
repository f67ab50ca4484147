"""An Arrow file system whose user dies at a chosen step: a write may be half done, and nothing is tidied up."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pyarrow import fs


class Died(OSError):
    """The process is gone."""


class DyingFiles(fs.FileSystemHandler):
    """Passes everything on to `files`, up to step `dies_at`; from then on nothing gets through."""

    def __init__(self, files: fs.FileSystem, dies_at: int) -> None:
        self._files = files
        self._left = dies_at

    def __eq__(self, other: object) -> bool:
        return self is other

    def step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Died("died")

    def get_type_name(self) -> str:
        return "dying"

    def normalize_path(self, path: str) -> str:
        return str(self._files.normalize_path(path))

    def get_file_info(self, paths: list[str]) -> Any:
        return self._files.get_file_info(paths)

    def get_file_info_selector(self, selector: Any) -> Any:
        return self._files.get_file_info(selector)

    def create_dir(self, path: str, recursive: bool) -> None:
        self.step()
        self._files.create_dir(path, recursive=recursive)

    def delete_dir(self, path: str) -> None:
        """File by file, as object stores do."""
        for info in self._files.get_file_info(fs.FileSelector(path, recursive=True)):
            self.step()
            self._files.delete_file(info.path)
        self.step()
        self._files.delete_dir(path)

    def delete_dir_contents(self, path: str, missing_dir_ok: bool = False) -> None:
        raise NotImplementedError

    def delete_root_dir_contents(self) -> None:
        raise NotImplementedError

    def delete_file(self, path: str) -> None:
        self.step()
        self._files.delete_file(path)

    def move(self, src: str, dest: str) -> None:
        self.step()
        self._files.move(src, dest)

    def copy_file(self, src: str, dest: str) -> None:
        self.step()
        self._files.copy_file(src, dest)

    def open_input_stream(self, path: str) -> Any:
        return self._files.open_input_stream(path)

    def open_input_file(self, path: str) -> Any:
        return self._files.open_input_file(path)

    def open_output_stream(self, path: str, metadata: Any) -> Any:
        self.step()
        return pa.PythonFile(_DyingStream(self._files.open_output_stream(path), self), mode="w")

    def open_append_stream(self, path: str, metadata: Any) -> Any:
        raise NotImplementedError


class WithoutMoves(DyingFiles):
    """A store that can't give a file another name, and shows it when it is complete."""

    def move(self, src: str, dest: str) -> None:
        raise NotImplementedError

    def open_output_stream(self, path: str, metadata: Any) -> Any:
        self.step()
        return pa.PythonFile(_Upload(lambda: self._files.open_output_stream(path), self), mode="w")


class _DyingStream:
    """A file shows what has been written of it so far."""

    def __init__(self, stream: Any, user: DyingFiles) -> None:
        self._stream = stream
        self._user = user
        self.closed = False

    def write(self, content: bytes) -> int:
        half = len(content) // 2
        self._stream.write(content[:half])
        self._user.step()
        self._stream.write(content[half:])
        return len(content)

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        self._stream.close()
        self.closed = True


class _Upload:
    """Nothing is there before `close`, and then all of it."""

    def __init__(self, open_stream: Callable[[], Any], user: DyingFiles) -> None:
        self._open_stream = open_stream
        self._user = user
        self._content = b""
        self.closed = False

    def write(self, content: bytes) -> int:
        self._content += content
        return len(content)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._user.step()
            with self._open_stream() as stream:
                stream.write(self._content)
