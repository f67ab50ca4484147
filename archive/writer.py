"""Writes one topic into the archive: rows are gathered, and a flush shows all of them to readers at once.

    1  data files            a kill here leaves files that no commit names: the next start deletes them
    2  is it still the same topic?
    3  commit: one file, created in one step ── before it readers see nothing of the flush, behind it everything
    4  go on at the offsets that the commit ends with; they are the position, Kafka's group knows nothing

A writer begins with a commit of its own. So a writer that was believed dead and is only late finds that number taken
at its next flush, and stops; only then are files that no commit names really nobody's.
"""

import uuid
from collections.abc import Callable, Sequence
from typing import NamedTuple

from archive.commits import Commit, DataFile, Source, State
from archive.log import CommitLog
from archive.parquet import Origin, write_file
from archive.paths import data_path, is_data
from archive.pending import Pending
from archive.rows import Record, rows_of
from archive.store import ArchiveStore, is_hidden
from contracts.errors import Misconfigured, Refused
from contracts.ports import EntityHashes
from contracts.topics import Topic


class Flushed(NamedTuple):
    """What a flush wrote."""

    rows: int
    skipped: int
    files: int
    commit: int


class TopicWriter:
    """The writer of one topic. Raises Unavailable where the store does not answer: the same call may then succeed.

    `start` comes first. Raises Refused, from then on for good, when another writer has taken over.
    """

    def __init__(self, store: ArchiveStore, topic: Topic, hashes: EntityHashes) -> None:
        self.topic = topic
        self._store = store
        self._log = CommitLog(store, topic)
        self._hashes = hashes
        self._token = uuid.uuid4().hex
        self._gaps: list[Source] = []
        self.state = State()
        self.pending = Pending(topic)

    def start(self, topic_id: str, now_ms: int) -> None:
        """Take over from earlier writers and delete what they left half. Misconfigured: the topic was recreated."""
        self.state = self._log.load()
        self.check_topic(topic_id)
        start = Commit("start", self._token, now_ms, topic_id=topic_id, key_id=self._hashes.key_id)
        while not self._log.append(self.state, start):
            new = self._log.catch_up(self.state)
            if any(commit.token == self._token for commit in new):
                break
        self._log.checkpoint_if_due(self.state)
        self._delete_leftovers()

    def check_topic(self, topic_id: str) -> None:
        """Raise Misconfigured if this is another topic than the one archived so far."""
        if self.state.topic_id not in (None, topic_id):
            raise Misconfigured(
                f"Topic {self.topic} has id {topic_id}, but the archive {self._store.uri} was written from id "
                f"{self.state.topic_id}: the topic was recreated, and its offsets mean other records. Use a new "
                "SLIDR_ARCHIVE_URI, or restore the old topic."
            )

    def position(self, partition: int) -> int | None:
        """Next offset to read, what waits included; None for a partition that was never read."""
        covered = self.state.partitions.get(partition)
        gaps = [gap.end for gap in self._gaps if gap.partition == partition]
        known = [self.pending.end(partition), *gaps, covered.end if covered else None]
        return max((end for end in known if end is not None), default=None)

    def skip_expired(self, partition: int, end: int) -> None:
        """Go on at `end`, behind offsets that Kafka no longer has: they become a gap, with the next flush."""
        first = self.position(partition)
        assert first is not None, "a partition that was never read begins anywhere"
        assert self.pending.end(partition) is None, "a gap comes before the records behind it"
        self._gaps.append(Source(partition, first, end))

    def add(self, partition: int, first: int, records: Sequence[Record], end: int) -> None:
        """Take in the records of offsets `first` up to, not including, `end`."""
        self.pending.add(partition, first, end, rows_of(self.topic, partition, records, self._hashes))

    def flush(self, now_ms: int, check: Callable[[], None] = lambda: None) -> Flushed | None:
        """Write and commit what waits; None if nothing does. `check` may raise to keep it from being committed."""
        pending = self.pending
        if not pending.ranges() and not self._gaps:
            return None
        self._check_owner()
        files = self._write(pending)
        check()
        ranges, gaps = pending.ranges(), tuple(self._gaps)
        commit = Commit("flush", self._token, now_ms, ranges=ranges, gaps=gaps, added=tuple(files))
        while not self._log.append(self.state, commit):
            if self._was_appended():
                break
        self.pending, self._gaps = Pending(self.topic), []
        self._log.checkpoint_if_due(self.state)
        return Flushed(pending.rows, sum(part.skipped for part in ranges), len(files), self.state.number)

    def _write(self, pending: Pending) -> list[DataFile]:
        topic_id = self.state.topic_id or ""
        token = uuid.uuid4().hex  # another at each try: a late writer never touches a newer one's files
        files = []
        for part in pending.parts():
            name = f"{self.state.number + 1:012}-{token}" + ("" if part.features is None else f"-{part.features}")
            path = data_path(self.topic, part.hour_ms, name)
            origin = Origin(self.topic, topic_id, self._hashes.key_id, part.hour_ms, pending.sources(), part.features)
            files.append(write_file(self._store, path, origin, part.table.to_batches()))
        return files

    def _was_appended(self) -> bool:
        """Whether our commit is there after all, from a try that seemed to fail. Raises Refused if we are out."""
        new = self._log.catch_up(self.state)
        self._check_owner()
        return any(commit.kind == "flush" and commit.token == self._token for commit in new)

    def _check_owner(self) -> None:
        if self.state.owner != self._token:
            raise Refused(
                f"Another archiver has taken over {self.topic} in {self._store.uri}, so this one stops; nothing was "
                "written twice. Run one archiver per archive."
            )

    def _delete_leftovers(self) -> None:
        known = {*self.state.files, *self.state.retired}
        for path in self._store.paths(self.topic, recursive=True):
            if is_hidden(path) or (is_data(path) and path not in known):
                self._store.delete(path)
