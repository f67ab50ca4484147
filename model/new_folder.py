"""Folders that are there whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import Misconfigured, Refused


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder beside `folder` to write to; it gets that name on leaving, and vanishes if anything is raised.

    Raises Refused where `folder` exists and is not empty, Misconfigured where it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(f"{folder} is not an empty folder, and nothing is overwritten. Name a new one or empty it.")
    hidden = folder.with_name(f".{folder.name}.unfinished")
    try:
        # What a killed run left is in nobody's way.
        shutil.rmtree(hidden, ignore_errors=True)
        hidden.mkdir(parents=True)
        yield hidden
        hidden.replace(folder)
    except OSError as error:
        raise Misconfigured(
            f"{folder} cannot be written: {error.strerror or error}. Free space or name another."
        ) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
