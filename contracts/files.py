"""What our folders share, local or on any Arrow file system: nothing half-written, faults told in a sentence."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import fs

from contracts.errors import Misconfigured, Refused, Unavailable


class Place(NamedTuple):
    """How messages speak of a folder: its URI, what it is called, what it is for, and the setting that names it."""

    uri: str
    name: str
    purpose: str
    setting: str
    example: str


def archive_place(uri: str) -> Place:
    """The archive, or any other folder of history."""
    return Place(uri, "archive", "the archive", "SLIDR_ARCHIVE_URI", "s3://bucket/archive")


def open_place(uri: str, files: Any = None) -> tuple[Any, str]:
    """The Arrow file system of a path or URI, and the folder within it; with `files`, `uri` is a folder in that one."""
    if files is not None:
        return files, uri
    if "://" not in uri:
        return fs.LocalFileSystem(), str(Path(uri).absolute())
    found, folder = fs.FileSystem.from_uri(uri)
    return found, folder.rstrip("/")


@contextmanager
def errors_of(place: Place) -> Iterator[None]:
    """Say which place failed, and if waiting helps: Misconfigured or Unavailable; FileNotFoundError goes through."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise Misconfigured(
            f"{place.uri!r} is no place for {place.purpose}: {error}. "
            f"Expected in {place.setting}: a path, or a URI such as {place.example}."
        ) from error
    except (PermissionError, NotADirectoryError, FileExistsError, IsADirectoryError) as error:
        raise Misconfigured(f"The {place.name} {place.uri} cannot be used: {error}.") from error
    except OSError as error:
        raise Unavailable(f"The {place.name} {place.uri} does not answer: {error}. Nothing was changed.") from error


def flush(path: Path) -> None:
    """Bring a local file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Another name to write to: renamed to `path` when the block ends well, deleted otherwise.

    Drafts that killed processes left of the same file are deleted, too.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    for left in path.parent.glob(f".{escape(path.name)}.*"):
        if left.suffix[1:].isdecimal() and not _is_running(int(left.suffix[1:])):
            left.unlink(missing_ok=True)
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True


def refuse_used(folder: Path) -> None:
    """Raises Refused for a folder that has something in it."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(f"{folder} is not an empty folder, and nothing is overwritten. Name a new one or empty it.")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder beside `folder` to write to; it gets that name on leaving, and vanishes if anything is raised.

    Raises Refused where `folder` exists and is not empty, Misconfigured where it cannot be written.
    """
    refuse_used(folder)
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
