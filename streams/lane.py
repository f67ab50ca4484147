"""One assignment of one source partition, from fetched records to finished ones. Pure: no clock, no IO.

A lane lives from assignment to revocation, and its identity is the epoch: what belongs to a closed lane touches
nothing. Offsets pass through it strictly in order:

    finished      decided, outputs on      counting in the   fetched, waiting
    (delivered)   their way to Kafka       feature store     in the backlog
    ---------------|-----------------------|-----------------|------------------> offsets
            finished_offset                            next_offset

Where the feature store refuses or does not answer, everything between counting and `next_offset` goes back to the
head of the backlog, and the lane recovers: it asks the store what it knows, has the missing clicks counted again
(`healing`), and goes on.

    recovering ◄──► ready          either ──► draining ──► closed
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from contracts.ports import Recall
from streams.dead_letters import ParkedShare
from streams.records import Decoded, RawRecord

NOT_WRITTEN = -1


class LaneState(StrEnum):
    """What a lane is doing; only a ready lane gives up records (or a recovering one that decides while cold)."""

    RECOVERING = "recovering"
    READY = "ready"
    DRAINING = "draining"
    CLOSED = "closed"


@dataclass
class Tails:
    """Highest live source offset in each output partition; -1 where there is none. Nothing at or below is written."""

    decisions: int = -1
    feature_log: int = -1
    dead_letters: int = -1


class StartPoint(NamedTuple):
    """Where a lane begins: the first offset to process, and what its outputs hold already."""

    partition: int
    offset: int
    tails: Tails


class Piece(NamedTuple):
    """Records of one partition from one poll, and when that poll returned (monotonic seconds)."""

    records: Sequence[RawRecord]
    polled_at_s: float


@dataclass
class Chunk:
    """Consecutive records of one lane that are counted and decided together.

    `known` chunks were counted before: their answers are recalled. `cold` chunks are decided before they are counted.
    """

    lane: "Lane"
    pieces: list[Piece]
    known: bool = False
    cold: bool = False
    expected_watermark: int | None = None
    decoded: Decoded = field(default_factory=lambda: Decoded([], [], [], [], []))
    answers: bytes = b""
    deliveries_left: int = NOT_WRITTEN

    @property
    def records(self) -> list[RawRecord]:
        """All records, in offset order."""
        return [record for piece in self.pieces for record in piece.records]

    @property
    def first_offset(self) -> int:
        """Offset of the first record."""
        return self.pieces[0].records[0].offset()

    @property
    def last_offset(self) -> int:
        """Offset of the last record."""
        return self.pieces[-1].records[-1].offset()

    def __len__(self) -> int:
        return sum(len(piece.records) for piece in self.pieces)


class Lane:
    """State of one assignment. Only the event loop touches it."""

    def __init__(self, start: StartPoint, parked: ParkedShare) -> None:
        self.partition = start.partition
        self.parked = parked
        self.tails = start.tails
        self.next_offset = start.offset
        self.finished_offset = start.offset - 1
        self.state = LaneState.RECOVERING
        self.expected_watermark: int | None = None
        self.known_through = -1
        self.known: Mapping[int, bytes] = {}
        self.recovery_running = False
        self.healing = False
        self._release = ""
        self._release_from_offset = start.offset
        self._decided_offset = start.offset - 1
        self._backlog: deque[Piece] = deque()
        self._counting: deque[Chunk] = deque()
        self._delivering: deque[Chunk] = deque()
        self._requeued: list[Piece] = []
        self._broken = False

    # -- records in

    def receive(self, piece: Piece) -> None:
        """Append what a poll fetched."""
        self._backlog.append(piece)

    @property
    def backlog(self) -> int:
        """Records waiting."""
        return sum(len(piece.records) for piece in self._backlog)

    def takeable(self, decide_while_cold: bool = False) -> bool:
        """Whether records may be taken now."""
        if not self._backlog or self.parked.exceeded:
            return False
        return self.state is LaneState.READY or (decide_while_cold and self.healing)

    def take(self, limit: int) -> Chunk:
        """Take up to `limit` records from the head of the backlog: either all known to the store or all new."""
        cold = self.state is LaneState.RECOVERING
        known = not cold and self._backlog[0].records[0].offset() <= self.known_through
        pieces: list[Piece] = []
        while limit > 0 and self._backlog:
            records, polled_at_s = self._backlog.popleft()
            count = min(limit, len(records))
            if known:
                count = min(count, sum(record.offset() <= self.known_through for record in records))
            if count:
                pieces.append(Piece(records[:count], polled_at_s))
            if count < len(records):
                self._backlog.appendleft(Piece(records[count:], polled_at_s))
                break
            limit -= count
        chunk = Chunk(self, pieces, known=known, cold=cold, expected_watermark=self.expected_watermark)
        self.next_offset = chunk.last_offset + 1
        if not known and not cold:
            self.expected_watermark = chunk.last_offset
        self._counting.append(chunk)
        return chunk

    # -- answers

    def answered(self, chunk: Chunk) -> None:
        """The chunk's answers are there: it goes on to be decided."""
        self._counting.remove(chunk)
        self._delivering.append(chunk)
        self.parked.add(len(chunk), len(chunk.decoded.bad))
        if chunk.known and chunk.last_offset >= self.known_through:
            self.known = {}

    def must_wait(self, chunk: Chunk) -> bool:
        """Whether a chunk before this one was refused: whatever its own answer, it must not overtake."""
        return bool(self._requeued) or self._broken or (self.state is LaneState.RECOVERING and not chunk.cold)

    def refused(self, chunk: Chunk) -> int:
        """The chunk was not counted, or it is not known whether it was: back to the backlog, and recover.

        In a lane that ends it is given up, for the next worker to decide. Returns how many records were given up.
        """
        self._counting.remove(chunk)
        if self.ending:
            self._broken = True
            return len(chunk)
        self._requeued.extend(chunk.pieces)
        self.state = LaneState.RECOVERING
        self.healing = False
        return 0

    @property
    def must_recover(self) -> bool:
        """Recovering, nothing under way any more, and nobody at it yet."""
        return self.state is LaneState.RECOVERING and not self._counting and not self.recovery_running

    def begin_recovery(self) -> None:
        """Put what was refused back at the head of the backlog, in order."""
        self.recovery_running = True
        self._requeue()

    def heal_goes_on(self) -> None:
        """The store answers again, and lost clicks are being counted: what waits may be taken, and decided cold.

        What was refused while the store was away comes first, unless a part of it is still to be refused.
        """
        if self.state is LaneState.RECOVERING and not self._counting:
            self._requeue()
            self.healing = True

    def _requeue(self) -> None:
        if self._requeued:
            self.next_offset = self._requeued[0].records[0].offset()
            self._backlog.extendleft(reversed(self._requeued))
            self._requeued = []

    def gap(self, watermark: int | None) -> tuple[int | None, int] | None:
        """What must be counted again, as (first offset or None for "as far back as counts", last offset); or None.

            watermark          next_offset
        --------|///// gap /////|------------->
        """
        last = self.next_offset - 1
        if watermark is None:
            return None, last
        return (watermark + 1, last) if watermark < last else None

    def resume(self, recall: Recall) -> None:
        """The store is whole up to here: known clicks get their stored answers, new ones are counted."""
        watermark = recall.watermark
        self.expected_watermark = watermark
        self.known_through = -1 if watermark is None else watermark
        self.known = {} if self.known_through < self.next_offset else recall.answers
        self.recovery_running = self.healing = False
        if self.state is LaneState.RECOVERING and not self._requeued:
            self.state = LaneState.READY

    def lost_state(self, watermark: int | None) -> bool:
        """Whether the store's watermark shows, while nothing is under way, that it forgot or was changed."""
        quiet = self.state is LaneState.READY and not self._counting
        return quiet and watermark != self.expected_watermark

    # -- outputs

    def decided_by(self, release: str, chunk: Chunk) -> None:
        """Note which release has decided a chunk, the next one of the lane."""
        self._release_from_offset = self.release_from(release)
        self._release = release
        self._decided_offset = chunk.last_offset

    def release_from(self, release: str) -> int:
        """From which offset on this release, the one in use, decides: the next one, if it has decided nothing yet."""
        return self._release_from_offset if release == self._release else self._decided_offset + 1

    def finish(self) -> int:
        """Finish delivered chunks from the front, in order; return how many records that were."""
        count = 0
        while self._delivering and self._delivering[0].deliveries_left == 0:
            chunk = self._delivering.popleft()
            self.finished_offset = chunk.last_offset
            count += len(chunk)
        return count

    @property
    def idle(self) -> bool:
        """Nothing under way: neither counting nor being delivered."""
        return not self._counting and not self._delivering

    # -- end

    def drain(self) -> int:
        """Take nothing more; return how many waiting records were given up."""
        self.state = LaneState.DRAINING
        self.healing = False
        given_up = self.backlog + sum(len(piece.records) for piece in self._requeued)
        self._backlog.clear()
        self._requeued = []
        return given_up

    def close(self) -> int:
        """The partition is not ours any more; return how many waiting records were given up."""
        given_up = self.drain()
        self.state = LaneState.CLOSED
        return given_up

    @property
    def ending(self) -> bool:
        """Whether the assignment has ended or is about to."""
        return self.state in (LaneState.DRAINING, LaneState.CLOSED)

    @property
    def closed(self) -> bool:
        """Whether the assignment has ended: nothing more may be written for it."""
        return self.state is LaneState.CLOSED
