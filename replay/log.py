"""The topics `replay-requests` and `replay-progress`: who asked for what, and how far it has come."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, TypeVar

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from billing.log import PATIENCE_S, Stretch, place, scan, translating, whole_log
from contracts.errors import BadInput, Refused, Unavailable
from contracts.events import TimeMs
from contracts.replay import Replay, ReplayAction, ReplayJob, ReplayProgress, ReplayRequest, fold_requests
from contracts.topics import Topic, topic_name
from replay.reading import open_reader

_PRODUCER: dict[str, Any] = {"acks": "all", "enable.idempotence": True, "log_level": 2}
T = TypeVar("T", bound=msgspec.Struct)
_requests = msgspec.json.Decoder(ReplayRequest)
_progress = msgspec.json.Decoder(ReplayProgress)

# (revision, partition)
Key = tuple[int, int]


class ReplayLog:
    """Reads and writes both topics; `told` hears of the progress that is written.

    Raises Misconfigured where they are missing, Unavailable.
    """

    def __init__(
        self, kafka: Mapping[str, Any], prefix: str, told: Callable[[ReplayProgress], None] = lambda progress: None
    ) -> None:
        self._kafka = kafka
        self._told = told
        self._topics = {topic: topic_name(topic, prefix) for topic in (Topic.REPLAY_REQUESTS, Topic.REPLAY_PROGRESS)}
        self._consumer = open_reader(kafka)
        self._producer: Producer | None = None
        self._requests: list[tuple[int, ReplayRequest]] = []
        self._progress: dict[Key, ReplayProgress] = {}
        self._read_to = dict.fromkeys(self._topics, 0)

    def replays(self) -> list[Replay]:
        """Every run that was asked for, in order of revisions."""
        for record in self._new(Topic.REPLAY_REQUESTS):
            self._requests.append((place(record)[1], _decoded(_requests, record)))
        return fold_requests(self._requests)

    def replay(self, revision: int) -> Replay | None:
        """The run of that revision as it was asked for until now, if there is one."""
        return next((replay for replay in self.replays() if replay.revision == revision), None)

    def progress(self, revision: int) -> dict[int, ReplayProgress]:
        """How far the partitions of a run are; those that nobody has begun are missing."""
        for record in self._new(Topic.REPLAY_PROGRESS):
            found = _decoded(_progress, record)
            key = found.revision, found.partition
            # A paused process may tell late of less than another has done since.
            if key not in self._progress or found.next_offset >= self._progress[key].next_offset:
                self._progress[key] = found
        return {partition: found for (of, partition), found in self._progress.items() if of == revision}

    def progress_of(self, replay: Replay, partition: int, by: str) -> ReplayProgress:
        """How far one partition of a run is; its start, told by `by`, if nobody has begun it."""
        return self.progress(replay.revision).get(partition) or first_progress(replay, partition, by)

    def is_final(self, replay: Replay) -> bool:
        """Whether nothing more will be written by this run."""
        return is_final(replay, self.progress(replay.revision))

    def ask(
        self, action: ReplayAction, replay_id: str, at_ms: TimeMs, by: str,
        job: ReplayJob | None = None, clicks_per_s: float | None = None, of_revision: int | None = None,
        shared: bool = False,
    ) -> int:  # fmt: skip
        """Write a request and return its revision. Raises Refused if another was written since `replays` was read."""
        request = ReplayRequest(
            action, replay_id, self._read_to[Topic.REPLAY_REQUESTS], at_ms, by, job, clicks_per_s, of_revision, shared
        )
        offset = self._write(Topic.REPLAY_REQUESTS, replay_id, request)
        if offset != request.at_offset:
            raise Refused(
                f"Another request was written to {self._topics[Topic.REPLAY_REQUESTS]} in the same moment, so this one "
                "is void and nothing was begun. Look at `slidr replay status`, and ask again."
            )
        return request.revision

    def tell(self, progress: ReplayProgress) -> None:
        """Write how far a partition is."""
        key = f"{progress.replay_id}/{progress.revision}/{progress.partition}"
        self._write(Topic.REPLAY_PROGRESS, key, progress)
        self._told(progress)

    def close(self) -> None:
        """Give back the connections."""
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _new(self, topic: Topic) -> Iterable[Message]:
        """Records that were written since the last call."""
        name = self._topics[topic]
        held = whole_log(self._consumer, name)[0]
        stretch = Stretch(max(held.first, self._read_to[topic]), held.end)
        for records in scan(self._consumer, name, {0: stretch}):
            yield from records
        self._read_to[topic] = held.end

    def _write(self, topic: Topic, key: str, value: msgspec.Struct) -> int:
        """Offset of the stored record."""
        stored: list[Message] = []
        name = self._topics[topic]

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None:
                stored.append(message)

        with translating(f"Topic {name}"):
            self._producer = self._producer or Producer({**self._kafka, **_PRODUCER})
            self._producer.produce(name, msgspec.json.encode(value), key, 0, on_delivery=delivered)
            self._producer.flush(PATIENCE_S)
        if not stored:
            raise Unavailable(f"Topic {name}: a record could not be written within {PATIENCE_S:.0f} s. Try again.")
        return place(stored[0])[1]


def is_final(replay: Replay, progress: Mapping[int, ReplayProgress]) -> bool:
    """Whether every partition of a run is done or stopped. Pure."""
    return not left_of(replay, progress)


def left_of(replay: Replay, progress: Mapping[int, ReplayProgress]) -> list[int]:
    """The partitions of a run that are not at their end, in order. Pure."""
    return [p for p in sorted(replay.job.spans) if p not in progress or progress[p].state == "running"]


def first_progress(replay: Replay, partition: int, by: str) -> ReplayProgress:
    """How far a partition is that nobody has begun. Pure."""
    span = replay.job.spans[partition]
    output_from = span.decisions_end if replay.job.publish else 0
    return ReplayProgress(
        replay.id, replay.revision, partition, span.first, span.log_first, output_from, 0, "running", 0.0, by, 0
    )


def decoded(decoder: "msgspec.json.Decoder[T]", value: bytes | None, where: str) -> T:
    """What a record holds. Raises BadInput; `where` begins its sentence."""
    try:
        return decoder.decode(value or b"")
    except msgspec.DecodeError as error:
        raise BadInput(f"{where} cannot be read: {error}. Find out who wrote it.") from error


def _decoded(decoder: "msgspec.json.Decoder[T]", record: Message) -> T:
    return decoded(decoder, record.value(), f"{record.topic()} offset {place(record)[1]}")


def now_ms() -> int:
    """`at_ms` of what is written now."""
    return time.time_ns() // 1_000_000
