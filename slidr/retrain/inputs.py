"""The Parquet files of a history: those of the archive, or named on the command line."""

import sys
from glob import glob
from pathlib import Path
from typing import Final

from archive.reader import ArchiveReader
from contracts.errors import Misconfigured
from contracts.topics import Topic
from model.inputs import Inputs

_EVER: Final = sys.maxsize


def archived(uri: str, from_ms: int | None) -> Inputs:
    """Clicks of the archive since `from_ms`, and all its purchases: who was a good customer depends on earlier ones.

    Raises Refused where there are none, Misconfigured or Unavailable for an archive that cannot be read.
    """
    reader = ArchiveReader(uri)
    rows = reader.paths(Topic.FEATURE_LOG, from_ms or 0, _EVER)
    purchases = reader.paths(Topic.PURCHASES, 0, _EVER)
    return Inputs(sorted(rows), sorted(purchases), store="" if reader.is_local else uri)


def named(rows: str, purchases: str, truth: str | None) -> Inputs:
    """Files by name. Raises Misconfigured for a name of nothing."""
    return Inputs(parquet_files(rows), parquet_files(purchases), parquet_files(truth) if truth else ())


def parquet_files(named: str) -> list[str]:
    """The files, sorted: a folder stands for all `*.parquet` within it, however deep; `*` and `**` for what they match.

    Raises Misconfigured where there is none.
    """
    # Names that begin with a dot or an underscore are of files not complete yet.
    found = Path(named).rglob("*.parquet") if Path(named).is_dir() else map(Path, glob(named, recursive=True))
    files = sorted(str(path.absolute()) for path in found if path.is_file() and not path.name.startswith((".", "_")))
    if not files:
        raise Misconfigured(f"{named} names no Parquet file. Name a file, a folder or a pattern such as 'rows/2024-*'.")
    return files
