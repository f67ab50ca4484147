"""Any Arrow file system, as DuckDB can read it: through fsspec."""

from typing import Any, Final

from fsspec.implementations.arrow import ArrowFile, ArrowFSWrapper

SCHEME: Final = "arrow://"


class ArrowFiles(ArrowFSWrapper):  # type: ignore[misc]  # fsspec has no types
    """Files named `arrow://PATH`, to be read. They do not change: what is known of one is asked for once.

    `failed` is what the store last failed with: DuckDB makes one word for damage and for this.
    """

    protocol = SCHEME.removesuffix("://")
    # fsspec would keep one of these for each file system there ever was.
    cachable = False

    def __init__(self, files: Any) -> None:
        super().__init__(files)
        self.failed: OSError | None = None
        self._known: dict[str, dict[str, Any]] = {}

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        """Names may have any character, so that they are not taken for URLs."""
        return path.removeprefix(SCHEME)

    def info(self, path: str, **more: Any) -> dict[str, Any]:
        """Name, size and time of change."""
        name = self._strip_protocol(path)
        if name not in self._known:
            self._known[name] = self.heard(super().info, name, **more)
        return self._known[name]

    def modified(self, path: str) -> Any:
        """When a file was written."""
        return self.info(path)["mtime"]

    def _open(self, path: str, mode: str = "rb", **more: Any) -> "_File":
        return _File(self, self.heard(self.fs.open_input_file, path), path, mode)

    def heard(self, call: Any, *what: Any, **more: Any) -> Any:
        """What a call answers; its failure is remembered."""
        try:
            return call(*what, **more)
        except OSError as error:
            self.failed = error
            raise


class _File(ArrowFile):  # type: ignore[misc]
    def read(self, n: int = -1) -> bytes:
        content: bytes = self.fs.heard(self.stream.read, n)
        return content
