"""Merges the small files of hours that are closed: an hour's rows are the same before, during and after.

    files of 13:00   a b c d            one commit: - a b c d, + e
                     ───────────────────┼──────────────────────────► time
    readers see      a b c d            │ e
    on the disk      a b c d   e(half)  │ e   a b c d, kept for a day for readers that have their names

A kill before the commit leaves `e`, which no commit names; behind it nothing is missing.
"""

import uuid
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, Final

from archive.commits import Commit, DataFile, State, coalesced
from archive.log import CommitLog
from archive.parquet import Origin, read_file, write_file
from archive.paths import data_path
from archive.schemas import schema_of
from archive.store import ArchiveStore
from archive.widths import padded
from contracts.errors import Refused
from contracts.topics import DAY_MS, HOUR_MS, Topic

# So long after its end an hour is closed; what comes later is merged when enough of it has come.
SETTLE_MS: Final = HOUR_MS // 4
KEEP_RETIRED_MS: Final = DAY_MS
ROWS_PER_FILE: Final = 2_000_000


def mergeable(
    state: State, now_ms: int, least_files: int = 2, rows_per_file: int = ROWS_PER_FILE
) -> list[list[DataFile]]:
    """Files to be merged, each list into one: pure. All are of one closed hour, one width of features and one key."""
    closed = [
        file
        for file in state.files.values()
        if file.hour_ms + HOUR_MS + SETTLE_MS <= now_ms and file.rows < rows_per_file
    ]
    ordered = sorted(closed, key=lambda file: (*_kind(file), file.path))
    groups = (bins for _, files in groupby(ordered, _kind) for bins in _bins(files, rows_per_file))
    return [group for group in groups if len(group) >= least_files]


def _kind(file: DataFile) -> tuple[int, int, str]:
    return file.hour_ms, file.features or 0, file.key_id


def _bins(files: Iterator[DataFile], rows_per_file: int) -> Iterator[list[DataFile]]:
    """In order, each with at most `rows_per_file` rows."""
    held: list[DataFile] = []
    for file in files:
        if sum(one.rows for one in held) + file.rows > rows_per_file:
            yield held
            held = []
        held.append(file)
    yield held


class Compactor:
    """Merges files of one topic, beside an archiver that writes or inside of one.

    Raises BadInput for a file that cannot be read, Refused when an archiver was started meanwhile.
    """

    def __init__(self, store: ArchiveStore, topic: Topic) -> None:
        self._store = store
        self._topic = topic
        self._log = CommitLog(store, topic)
        self._token = uuid.uuid4().hex

    def compact(
        self,
        state: State,
        now_ms: int,
        least_files: int = 2,
        rows_per_file: int = ROWS_PER_FILE,
        on_merged: Callable[[int, int], None] = lambda done, total: None,
    ) -> int:
        """Merge what can be merged and delete what was merged long ago; `state` goes along. Number of files merged.

        `on_merged` hears (files merged, of all).
        """
        merged = 0
        groups = mergeable(state, now_ms, least_files, rows_per_file)
        for group in groups:
            added = self._merge(state, group)
            removed = tuple(file.path for file in group)
            self._append(state, Commit("compact", self._token, now_ms, added=(added,), removed=removed))
            merged += len(group)
            on_merged(merged, sum(map(len, groups)))
        self._forget(state, now_ms)
        return merged

    def _merge(self, state: State, group: list[DataFile]) -> DataFile:
        hour_ms = group[0].hour_ms
        sources = coalesced([source for file in group for source in file.sources])
        origin = Origin(self._topic, state.topic_id or "", group[0].key_id, hour_ms, sources, group[0].features)
        path = data_path(self._topic, hour_ms, f"{state.number + 1:012}-{uuid.uuid4().hex}-merged")
        return write_file(self._store, path, origin, self._batches(group))

    def _batches(self, group: list[DataFile]) -> Iterator[Any]:
        schema = schema_of(self._topic, group[0].features)
        for file in group:
            yield from (padded(batch, schema) for batch in read_file(self._store, file))

    def _forget(self, state: State, now_ms: int) -> None:
        """Deletes first and says so afterwards: a kill between the two deletes nothing twice that matters."""
        old = tuple(path for path, at_ms in state.retired.items() if at_ms + KEEP_RETIRED_MS <= now_ms)
        for path in old:
            self._store.delete(path)
        if old:
            self._append(state, Commit("compact", self._token, now_ms, forgotten=old))

    def _append(self, state: State, commit: Commit) -> None:
        while not self._log.append(state, commit):
            for other in self._log.catch_up(state):
                if other.kind == "start":
                    raise Refused(
                        f"An archiver of {self._topic} was started while files were merged; what was half done is "
                        "dropped, nothing is lost. Merge again."
                    )
                if other.kind == "compact" and other.token == commit.token:
                    return
                if set(other.removed) & set(commit.removed):
                    raise Refused(f"Another compaction of {self._topic} is under way, so this one stops.")
        self._log.checkpoint_if_due(state)
