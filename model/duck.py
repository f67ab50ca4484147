"""DuckDB within bounds: so much memory, so many threads, the rest on disk; its errors as ours."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import duckdb

from contracts.errors import BadInput, Misconfigured

_MIB: Final = 1 << 20


class Bounds(NamedTuple):
    """What a query may use. `folder` is for what does not fit into memory (None: the system's temporary folder)."""

    memory_bytes: int = 1536 * _MIB
    threads: int = 2
    folder: Path | None = None


BOUNDS: Final = Bounds()


@contextmanager
def bounded(bounds: Bounds) -> Iterator[Any]:
    """A connection to an empty database on disk, deleted on leaving.

    Raises BadInput for a damaged file, Misconfigured where memory or disk does not suffice.
    """
    with TemporaryDirectory(prefix="slidr-", dir=bounds.folder) as folder:
        try:
            with duckdb.connect(Path(folder) / "labels.duckdb", config=_settings(bounds, folder)) as connection:
                yield connection
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            raise _cannot(error, bounds) from error
        except duckdb.Error as error:
            raise BadInput(f"The Parquet files cannot be read: {_first_line(error)}") from error


def _settings(bounds: Bounds, folder: str) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "memory_limit": f"{bounds.memory_bytes // _MIB}MiB",
        "threads": str(bounds.threads),
        "temp_directory": str(Path(folder) / "spilled"),
        # Every query says its own order; keeping another one costs memory.
        "preserve_insertion_order": "false",
    }


def _cannot(error: Exception, bounds: Bounds) -> BadInput | Misconfigured:
    text = _first_line(error)
    if isinstance(error, duckdb.OutOfMemoryException) or "space left" in text:
        return Misconfigured(
            f"Labels need more than {bounds.memory_bytes // _MIB} MiB of memory, or more room on disk: {text} "
            "Allow more, or take a shorter history."
        )
    return BadInput(f"The Parquet files cannot be read: {text}")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def files(paths: Sequence[str]) -> str:
    """The paths as a table of SQL."""
    quoted = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{quoted}])"
