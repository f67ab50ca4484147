"""Runs the archiver: every topic in turn, flushes, merges, and patience with servers that do not answer."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final, NamedTuple, TypeVar

import structlog

from archive.compaction import Compactor
from archive.log import CommitLog
from archive.reader import ArchiveReader, Coverage
from archive.store import ArchiveStore
from archive.topics import ARCHIVED
from archive.writer import Flushed, TopicWriter
from contracts.errors import BadInput, Refused, Unavailable
from contracts.topics import Topic
from features.entities import EntityHasher
from slidr.settings import Settings, kafka_config
from streams.archiving import FlushRule, Progress, TopicArchiver
from streams.topic_admin import TopicAdmin

log = structlog.get_logger()

IDLE_S: Final = 0.05
RETRY_S: Final = 1.0
PATIENCE_S: Final = 300.0
COMPACT_EVERY_MS: Final = 60_000
# While writing, an hour that is closed is merged when it has so many files: a few late rows do not rewrite it.
LEAST_FILES_TO_MERGE: Final = 8
T = TypeVar("T")


class ArchiveRun(NamedTuple):
    """What a run archived."""

    rows: int
    skipped: int
    files: int


def run_archiver(
    settings: Settings,
    rule: FlushRule,
    *,
    until_caught_up: bool,
    skip_expired: bool,
    stopped: Callable[[], bool],
    on_progress: Callable[[Progress], None],
) -> ArchiveRun:
    """Archive until `stopped()`, or until what Kafka held at the start is archived. Raises SlidrError."""
    rows = skipped = files = 0

    def seen(progress: Progress) -> None:
        nonlocal rows, skipped, files
        if flushed := progress.flushed:
            rows, skipped, files = rows + flushed.rows, skipped + flushed.skipped, files + flushed.files
        on_progress(progress)

    with _archivers(settings, rule) as archivers:
        for archiver in archivers:
            _patiently(partial(_start, archiver, skip_expired))
            on_progress(Progress(archiver.topic, archiver.left, None))
        merging = _Merging(ArchiveStore(settings.archive_uri), archivers)
        while not stopped() and not (until_caught_up and all(archiver.left == 0 for archiver in archivers)):
            busy = _round(archivers, seen)
            merging.now_and_then()
            if not busy:
                time.sleep(IDLE_S)
        for archiver in archivers:
            flushed = _patiently(partial(_flush, archiver))
            seen(Progress(archiver.topic, archiver.left, flushed))
    return ArchiveRun(rows, skipped, files)


def compact_archive(settings: Settings, on_merged: Callable[[Topic, int, int], None]) -> int:
    """Merge the files of every closed hour that has several: their number. `on_merged` hears (topic, done, of all)."""
    store = ArchiveStore(settings.archive_uri)
    merged = 0
    for topic in ARCHIVED:
        state = CommitLog(store, topic).load()
        merged += Compactor(store, topic).compact(state, _now_ms(), on_merged=partial(on_merged, topic))
    return merged


def archive_coverage(settings: Settings) -> list[Coverage]:
    """What is archived of every topic."""
    reader = ArchiveReader(settings.archive_uri)
    return [reader.coverage(topic) for topic in ARCHIVED]


def verify_archive(settings: Settings, on_file: Callable[[Topic, int, int], None]) -> list[str]:
    """What is wrong with files of the archive, a sentence each; `on_file` hears (topic, files done, of all)."""
    reader = ArchiveReader(settings.archive_uri)
    return [problem for topic in ARCHIVED for problem in reader.verify(topic, partial(on_file, topic))]


@contextmanager
def _archivers(settings: Settings, rule: FlushRule) -> Iterator[list[TopicArchiver]]:
    assert settings.entity_key is not None, "checked by the settings of an archiver"
    store = ArchiveStore(settings.archive_uri)
    hashes = EntityHasher(settings.entity_key.get_secret_value())
    admin = TopicAdmin(kafka_config(settings, "admin"))
    kafka = kafka_config(settings, "consumer")
    prefix = settings.topic_prefix
    archivers = [TopicArchiver(kafka, admin, prefix, TopicWriter(store, topic, hashes), rule) for topic in ARCHIVED]
    try:
        yield archivers
    finally:
        for archiver in archivers:
            archiver.close()


def _round(archivers: Sequence[TopicArchiver], seen: Callable[[Progress], None]) -> bool:
    """One step of every topic; whether any of them had something to do."""
    busy = False
    for archiver in archivers:
        waiting = archiver.read
        progress = _patiently(partial(_step, archiver))
        busy |= progress.flushed is not None or archiver.read != waiting
        seen(progress)
    return busy


class _Merging:
    """Merges closed hours beside the writing, every now and then. What goes wrong stops no writing."""

    def __init__(self, store: ArchiveStore, archivers: Sequence[TopicArchiver]) -> None:
        self._compactors = [(Compactor(store, archiver.topic), archiver) for archiver in archivers]
        self._next_ms = _now_ms() + COMPACT_EVERY_MS

    def now_and_then(self) -> None:
        """Merge if it is time."""
        if _now_ms() < self._next_ms:
            return
        for compactor, archiver in self._compactors:
            try:
                merged = compactor.compact(archiver.state, _now_ms(), LEAST_FILES_TO_MERGE)
            except (BadInput, Refused, Unavailable) as error:
                log.error("closed hours were not merged", topic=archiver.topic, reason=str(error))
                continue
            if merged:
                log.info("closed hours merged", topic=archiver.topic, files=merged)
        self._next_ms = _now_ms() + COMPACT_EVERY_MS


def _start(archiver: TopicArchiver, skip_expired: bool) -> None:
    archiver.start(_now_ms(), skip_expired=skip_expired)


def _step(archiver: TopicArchiver) -> Progress:
    return archiver.step(_now_ms())


def _flush(archiver: TopicArchiver) -> Flushed | None:
    return archiver.flush(_now_ms())


def _patiently(call: Callable[[], T]) -> T:
    """Try again while a server does not answer; Unavailable when out of patience."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return call()
        except Unavailable as error:
            if time.monotonic() > deadline_s:
                raise
            log.warning("tried again", reason=str(error))
        time.sleep(RETRY_S)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
