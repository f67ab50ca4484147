"""What one commit of the archive says, and what all of them together mean: pure.

Each topic has a log of commits, numbered without a hole. A commit is there whole or not at all, and a number is given
once, so all readers agree on what is in the archive:

    0 start   archiver A                    position 0
    1 flush   offsets 0..99    + a, b       position 100   files a b
    2 flush   offsets 100..199 + c          position 200   files a b c
    3 start   archiver B (A was killed, or is late: its commit 3 fails, and it stops)
    4 compact                  - a, c + d   position 200   files b d
"""

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from contracts.errors import BadInput

FORMAT: Final = 1


class Skip(Struct, frozen=True):
    """Offsets `first` to `last`, both included, could not be read; `path` is the field at fault."""

    first: int
    last: int
    path: str


class Range(Struct, frozen=True):
    """Offsets `first` up to, not including, `end` of one partition: records read, rows made, and what was skipped.

    Offsets that are neither hold no record: marks of transactions.
    """

    partition: int
    first: int
    end: int
    records: int
    rows: int
    skips: tuple[Skip, ...] = ()

    @property
    def skipped(self) -> int:
        """Records that could not be read."""
        return sum(skip.last - skip.first + 1 for skip in self.skips)


class Source(Struct, frozen=True, order=True):
    """Rows of a file come from offsets `first` up to, not including, `end` of this partition."""

    partition: int
    first: int
    end: int


class DataFile(Struct, frozen=True):
    """One Parquet file: place below the archive, content, and what it takes to check it."""

    path: str
    hour_ms: int
    rows: int
    bytes: int
    sha256: str
    first_ms: int
    last_ms: int
    key_id: str
    sources: tuple[Source, ...]
    features: int | None = None


class Commit(Struct, frozen=True):
    """One entry of a topic's log. `token` is its writer's, `previous` the sha256 of the entry before.

    `gaps` expired before they were archived. `removed` were merged into `added`, `forgotten` are deleted by now.
    """

    kind: Literal["start", "flush", "compact"]
    token: str
    at_ms: int
    number: int = 0
    previous: str = ""
    format: int = FORMAT
    topic_id: str | None = None
    key_id: str | None = None
    ranges: tuple[Range, ...] = ()
    gaps: tuple[Source, ...] = ()
    added: tuple[DataFile, ...] = ()
    removed: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()


class Covered(Struct):
    """What was archived of one partition: offsets `first` up to `end`, and what became of them."""

    first: int
    end: int
    records: int = 0
    rows: int = 0
    skipped: int = 0
    expired: int = 0

    @property
    def without_record(self) -> int:
        """Offsets that never held a record: marks of transactions."""
        return self.end - self.first - self.records - self.skipped - self.expired


class State(Struct):
    """What a topic's log means up to commit `number` (-1: it is empty), whose sha256 is `digest`."""

    number: int = -1
    digest: str = ""
    format: int = FORMAT
    topic_id: str | None = None
    owner: str = ""  # token of the last writer that started
    key_ids: list[str] = []
    partitions: dict[int, Covered] = {}
    gaps: list[Source] = []
    files: dict[str, DataFile] = {}
    # Merged into others; they stay for a while for readers that have their names, by the time of their removal.
    retired: dict[str, int] = {}

    def apply(self, commit: Commit, digest: str) -> None:
        """Take in the next commit. Raises BadInput, and changes nothing, for one that contradicts those before."""
        self.check(commit)
        for gap in commit.gaps:
            self._cover(gap.partition, gap.first, gap.end).expired += gap.end - gap.first
            self.gaps.append(gap)
        for part in commit.ranges:
            covered = self._cover(part.partition, part.first, part.end)
            covered.records += part.records
            covered.rows += part.rows
            covered.skipped += part.skipped
        for path in commit.removed:
            del self.files[path]
            self.retired[path] = commit.at_ms
        for path in commit.forgotten:
            self.retired.pop(path, None)
        self.files.update((file.path, file) for file in commit.added)
        if commit.kind == "start":
            self.owner = commit.token
        self.topic_id = commit.topic_id or self.topic_id
        if commit.key_id and commit.key_id not in self.key_ids:
            self.key_ids.append(commit.key_id)
        self.number, self.digest = commit.number, digest

    def check(self, commit: Commit) -> None:
        """Raise BadInput for a commit that cannot come next."""
        if commit.format != FORMAT:
            raise BadInput(f"it has format {commit.format}, this version reads {FORMAT}; use a newer version")
        if (commit.number, commit.previous) != (self.number + 1, self.digest):
            raise BadInput("it does not follow the commit before it; restore the log from a copy")
        if any(path not in self.files for path in commit.removed):
            raise BadInput("it removes a file that is not there; restore the log from a copy")
        rows = sum(part.rows for part in commit.ranges) + sum(self.files[path].rows for path in commit.removed)
        if rows != sum(file.rows for file in commit.added):
            raise BadInput("its files do not hold the rows that it speaks of; restore the log from a copy")
        ends = {partition: covered.end for partition, covered in self.partitions.items()}
        parts: tuple[Source | Range, ...] = (*commit.gaps, *commit.ranges)
        for part in parts:
            expected = ends.get(part.partition, part.first)
            if part.first != expected or part.end < part.first:
                raise BadInput(
                    f"it goes on at offset {part.first} of partition {part.partition}, where {expected} was expected"
                )
            ends[part.partition] = part.end

    def _cover(self, partition: int, first: int, end: int) -> Covered:
        covered = self.partitions.setdefault(partition, Covered(first, first))
        covered.end = end
        return covered


def coalesced(sources: Sequence[Source]) -> tuple[Source, ...]:
    """The same offsets in as few pieces as can be, in order."""
    joined: list[Source] = []
    for source in sorted(set(sources)):
        last = joined[-1] if joined else None
        if last and last.partition == source.partition and source.first <= last.end:
            joined[-1] = Source(last.partition, last.first, max(last.end, source.end))
        else:
            joined.append(source)
    return tuple(joined)
