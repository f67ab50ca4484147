"""What is asked of a replay, who is to do it, and how far it has come: records of three topics.

    replay-requests   offset 0       1           2          3
                      run r-a        run r-b     cancel r-a  run r-b, published
    revision          1              2                      4

The log of requests is one partition, kept for ever. A request says at which offset it expects to stand (`at_offset`)
and is void at any other: of two that were written at once, having looked at the same log, one counts.
"""

from collections.abc import Iterable
from typing import Annotated, Final, Literal, NamedTuple

from msgspec import Meta, Struct

from contracts.agreement import Agreed
from contracts.events import Offset, TimeMs

ReplayAction = Literal["run", "cancel", "rate"]
Direction = Literal["invalidate", "restore", "both"]
ReplayState = Literal["running", "done", "cancelled"]
Step = Literal["counting", "comparing"]
ReplayId = Annotated[str, Meta(min_length=1, max_length=64)]
Rate = Annotated[float, Meta(gt=0)]

SHADOW_TOPIC: Final = "decisions-replay-"


class LogRange(Struct, frozen=True):
    """Records of one partition of a topic: offsets `first` up to, not including, `end`."""

    first: Offset
    end: Offset


class Span(Struct, frozen=True):
    """The clicks of one partition that are replayed: source offsets `first` up to, not including, `end`.

    `log_first` up to, not including, `log_end` are the records of `feature-log[p]` that hold them. Their decisions
    stand at `decisions_first` of `decisions[p]` or behind it; `decisions_end` is where it ended when this was resolved.
    Records that have expired from Kafka are taken from the archive; `missing` were in neither, and are left out.
    """

    first: Offset
    end: Offset
    log_first: Offset
    log_end: Offset
    decisions_first: Offset
    decisions_end: Offset
    missing: tuple[LogRange, ...] = ()

    @property
    def offsets(self) -> int:
        """How many records of `clicks[p]` it covers, those that were parked included."""
        return self.end - self.first


class Selection(Struct, frozen=True):
    """Which clicks of the spans are decided again; an empty tuple does not limit."""

    slices: tuple[str, ...] = ()
    advertisers: tuple[str, ...] = ()
    model_version_was: str | None = None


class ReplayJob(Struct, frozen=True):
    """What is to be done, completely: whoever works on it comes to the same records.

    `manifest_sha256` pins the release's files (empty for the built-in one). `keep_rules`: rules that fired are taken
    as logged although the lists of the release are other ones. `recompute`: features are counted again from these
    clicks, of every partition and from before the first span on, and rules fire again; None takes both as logged.
    """

    selection: Selection
    model_version: str
    manifest_sha256: str
    spans: dict[int, Span]
    publish: bool = False
    only_changed: bool = False
    direction: Direction = "both"
    keep_rules: bool = False
    recompute: dict[int, LogRange] | None = None


class ReplayRequest(Struct, frozen=True):
    """One record of `replay-requests`: begin a run (`job`), or cancel one or change its limit (`of_revision`).

    `shared`: agents are to do what is left of the run. What asks for that once more names the limit that holds already.
    """

    action: ReplayAction
    replay_id: ReplayId
    at_offset: Offset
    at_ms: TimeMs
    by: str
    job: ReplayJob | None = None
    clicks_per_s: Rate | None = None
    of_revision: int | None = None
    shared: bool = False

    @property
    def revision(self) -> int:
        """Of the decisions that a run makes: above that of every run asked for before."""
        return self.at_offset + 1


class ReplayTask(Struct, frozen=True):
    """One record of `replay-tasks[p]`: do what is left of partition p of a run. Done twice it is done once.

    A run that counts features again has one task, for all that is left of it: counting needs all partitions at once.
    """

    replay_id: ReplayId
    revision: int
    partition: int


class Preparation(Struct, frozen=True):
    """What comes before clicks are decided on features counted again: `clicks` of `total` are done of a step."""

    step: Step
    clicks: int
    total: int


class ReplayProgress(Struct, frozen=True):
    """How far one partition of a run is; the newest record of (revision, partition) stands. A hint, never more.

    Every record that the run makes of clicks below `next_offset` is written; of others, none stands before
    `output_offset` of its partition in the output. `feature-log[p]` holds none of those clicks before `log_offset`.
    `written` counts the run's records so far, `clicks_per_s` is the rate since the record before. `problem`: why nobody
    goes on until the run is asked for again.

    Where features are counted again, the first partition that is left tells of the `preparation`, at that one's rate.
    The record that ends a partition has the `agreement`, which is over all partitions.
    """

    replay_id: ReplayId
    revision: int
    partition: int
    next_offset: Offset
    log_offset: Offset
    output_offset: Offset
    written: int
    state: ReplayState
    clicks_per_s: float
    by: str
    at_ms: TimeMs
    problem: str | None = None
    preparation: Preparation | None = None
    agreement: Agreed | None = None


class Replay(NamedTuple):
    """A run that was asked for, and what was said about it since."""

    request: ReplayRequest
    job: ReplayJob
    cancelled: bool
    clicks_per_s: float

    @property
    def revision(self) -> int:
        """Of its decisions."""
        return self.request.revision

    @property
    def id(self) -> str:
        """`run` of its decisions."""
        return self.request.replay_id


def fold_requests(records: Iterable[tuple[int, ReplayRequest]]) -> list[Replay]:
    """The runs asked for, in order of their revisions, from (offset, request) in log order. Pure."""
    found: list[Replay] = []
    for offset, request in records:
        if offset != request.at_offset:
            continue  # void: another was first
        if request.job is not None and request.action == "run":
            found.append(Replay(request, request.job, False, request.clicks_per_s or 0.0))
            continue
        for place, replay in enumerate(found):
            if replay.revision == request.of_revision:
                found[place] = _changed(replay, request)
    return found


def _changed(replay: Replay, request: ReplayRequest) -> Replay:
    if request.action == "cancel":
        return replay._replace(cancelled=True)
    return replay._replace(clicks_per_s=request.clicks_per_s or replay.clicks_per_s)
