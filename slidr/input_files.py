"""Parquet files named on the command line: a file, a folder, or a pattern."""

from glob import glob
from pathlib import Path

from contracts.errors import Misconfigured


def parquet_files(named: str) -> list[str]:
    """The files, sorted: a folder stands for all `*.parquet` within it, however deep; `*` and `**` for what they match.

    Raises Misconfigured where there is none.
    """
    # Names that begin with a dot or an underscore are of files not complete yet.
    found = Path(named).rglob("*.parquet") if Path(named).is_dir() else map(Path, glob(named, recursive=True))
    files = sorted(str(path) for path in found if path.is_file() and not path.name.startswith((".", "_")))
    if not files:
        raise Misconfigured(f"{named} names no Parquet file. Name a file, a folder or a pattern such as 'rows/2024-*'.")
    return files
