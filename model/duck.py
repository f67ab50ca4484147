"""DuckDB within bounds: so much memory, so many threads, the rest on disk; its errors as ours.

It reads the disk of this machine by itself, and other Arrow file systems through `ArrowFiles`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import duckdb

from contracts.errors import BadInput, Misconfigured, Unavailable
from model.arrow_files import SCHEME, ArrowFiles
from model.inputs import Inputs

_MIB: Final = 1 << 20


class Bounds(NamedTuple):
    """What a query may use. `folder` is for what does not fit into memory (None: the system's temporary folder)."""

    memory_bytes: int = 1536 * _MIB
    threads: int = 2
    folder: Path | None = None


BOUNDS: Final = Bounds()


@contextmanager
def bounded(bounds: Bounds, inputs: Inputs) -> Iterator[Any]:
    """A connection to an empty database on disk, deleted on leaving, which can read the inputs.

    Raises BadInput for a damaged file, Misconfigured where memory or disk does not suffice, Unavailable where the
    inputs' store does not answer.
    """
    store = ArrowFiles(inputs.opened()) if inputs.store else None
    with TemporaryDirectory(prefix="slidr-", dir=bounds.folder) as folder:
        try:
            with duckdb.connect(Path(folder) / "labels.duckdb", config=_settings(bounds, folder)) as connection:
                if store:
                    connection.register_filesystem(store)
                    # Each day looks for its clicks in all files, and these are far away.
                    connection.execute("SET parquet_metadata_cache = true")
                yield connection
        except duckdb.Error as error:
            if store and store.failed:
                raise Unavailable(
                    f"The archive {inputs.store} does not answer: {store.failed}. Nothing was changed; try again."
                ) from error
            raise _cannot(error, bounds) from error


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


def table(paths: Sequence[str], inputs: Inputs) -> str:
    """Some paths of the inputs as a table of SQL."""
    scheme = SCHEME if inputs.store else ""
    quoted = ", ".join("'" + scheme + path.replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{quoted}])"
