"""The Parquet files that labels are made from, looked at before anything is read: are they there, whole, and ours?"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from contracts import feature_log, purchase_log
from contracts.errors import BadInput, Misconfigured
from contracts.files import archive_place, errors_of, open_place

TRUTH_SCHEMA: Final = pa.schema([("click_id", pa.string()), ("kind", pa.string()), ("robot", pa.bool_())])


class Inputs(NamedTuple):
    """Paths of feature-log files, purchases files and, of simulated traffic, truth files; order is of no matter.

    They lie on the Arrow file system of the URI `store`; without one, on this machine.
    """

    rows: Sequence[str]
    purchases: Sequence[str]
    truth: Sequence[str] = ()
    store: str = ""

    def opened(self) -> Any:
        """The Arrow file system. Raises Misconfigured for a URI of none, Unavailable for one that does not answer."""
        with errors_of(archive_place(self.store)):
            return open_place(self.store)[0]

    def check(self) -> None:
        """Raise Misconfigured for files that are missing or have other columns, BadInput for one that is damaged."""
        files = self.opened()
        for what, paths in (("feature-log", self.rows), ("purchases", self.purchases)):
            if not paths:
                raise Misconfigured(f"No {what} files were named; at least one is needed.")
        for paths, schema in (
            (self.rows, feature_log.schema()),
            (self.purchases, purchase_log.schema()),
            (self.truth, TRUTH_SCHEMA),
        ):
            for path in paths:
                with self._reading(files, path):
                    found = pq.read_schema(path, filesystem=files)
                _check_columns(path, found, schema)

    def verify(self) -> None:
        """Compare every page of every file with its checksum, where it has one. Raises BadInput for a damaged file."""
        files = self.opened()
        for path in (*self.rows, *self.purchases, *self.truth):
            with self._reading(files, path):
                # Read in advance, a file would be in memory as a whole.
                with pq.ParquetFile(path, filesystem=files, page_checksum_verification=True, pre_buffer=False) as file:
                    for _ in file.iter_batches():
                        pass

    @contextmanager
    def _reading(self, files: Any, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise Misconfigured(f"{path} is not there. Name files that are.") from error
        except (pa.ArrowException, OSError) as error:
            # Damage and a store that is gone raise the same; only the first leaves a store that answers.
            with errors_of(archive_place(self.store or path)):
                files.get_file_info(path)
            raise BadInput(
                f"{path} cannot be read as Parquet: {str(error).rstrip('. ')}. Restore the file, or leave it out."
            ) from error


def _check_columns(path: str, found: Any, expected: Any) -> None:
    for field in expected:
        if field.name not in found.names:
            raise Misconfigured(f"{path} has no column {field.name!r}. Name files that the archive or simulate wrote.")
        if not _alike(found.field(field.name).type, field.type):
            raise Misconfigured(
                f"{path}: column {field.name!r} holds {found.field(field.name).type}, expected {field.type}. "
                "Name files that this version of the archive wrote."
            )


def _alike(found: Any, expected: Any) -> bool:
    """Whether a column can be read as another: bytes and words may be stored in more than one way."""
    if pa.types.is_dictionary(found):
        found = found.value_type
    if pa.types.is_fixed_size_list(expected):
        # Rows are looked at when they are read: those of another feature table may be of a time that is not asked for.
        return bool(pa.types.is_list(found) or pa.types.is_fixed_size_list(found))
    if pa.types.is_fixed_size_binary(expected):
        return pa.types.is_binary(found) or bool(found == expected)
    if pa.types.is_string(expected):
        return bool(pa.types.is_string(found) or pa.types.is_large_string(found))
    if pa.types.is_list(expected):
        return bool(pa.types.is_list(found))
    return bool(found == expected)
