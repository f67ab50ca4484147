"""Every record on the wire, defined once. JSON; unknown fields are ignored; times are integer milliseconds UTC.

The limits stand in the types, so that `msgspec` refuses a bad record with the path of the field. Money is integer
micros (millionths) of `currency`. The JSON Schemas in `contracts/schemas/` are generated from this file.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

# 2000-01-01 to 2100-01-01: outside it a time is a unit mistake (seconds, microseconds), not a time.
EARLIEST_MS: Final = 946_684_800_000
LATEST_MS: Final = 4_102_444_800_000
TimeMs = Annotated[int, Meta(ge=EARLIEST_MS, le=LATEST_MS)]
Id = Annotated[str, Meta(min_length=1, max_length=128)]
Text = Annotated[str, Meta(max_length=2048)]
Micros = Annotated[int, Meta(ge=0, le=10**15)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", max_length=3)]
Offset = Annotated[int, Meta(ge=0)]

Device = Literal["desktop", "mobile", "tablet", "app", "other"]
Verdict = Literal["valid", "invalid"]
DEVICES: tuple[Device, ...] = ("desktop", "mobile", "tablet", "app", "other")
LIVE = "live"


class Click(Struct, frozen=True, gc=False):
    """One ad click, as the ad server reports it. Key on the wire: `user_id`, else `session_id`."""

    click_id: Id
    clicked_at_ms: TimeMs
    session_id: Id
    logged_in: bool
    ip: Annotated[str, Meta(min_length=1, max_length=64)]
    user_agent: Text
    device: Device
    advertiser_id: Id
    campaign_id: Id
    cost_micros: Micros
    currency: Currency
    user_id: Id | None = None
    utc_offset_min: Annotated[int, Meta(ge=-1080, le=1080)] | None = None
    ad_id: Id | None = None
    publisher_id: Id | None = None
    query: Text | None = None

    @property
    def account_id(self) -> str:
        """Who clicked, as far as known: the user, else the session."""
        return self.user_id or self.session_id


class Purchase(Struct, frozen=True, gc=False):
    """One purchase; names the click that led to it when the shop knows it. Key: `user_id`, else `session_id`."""

    purchase_id: Id
    purchased_at_ms: TimeMs
    value_micros: Micros
    currency: Currency
    user_id: Id | None = None
    session_id: Id | None = None
    click_id: Id | None = None


class Decision(Struct, frozen=True, gc=False):
    """The verdict on one click. The decision for `clicks[p]` stands in `decisions[p]`, in offset order.

    `run` is "live" or a replay's id; over runs the highest `revision` of a click wins. Within a partition and a run
    `source_offset` only grows, so that one integer removes duplicates. Carries no IP and no user id.
    """

    click_id: Id
    advertiser_id: Id
    campaign_id: Id
    ad_id: Id | None
    cost_micros: Micros
    currency: Currency
    clicked_at_ms: TimeMs
    decided_at_ms: TimeMs
    verdict: Verdict
    reason: str
    rules: tuple[str, ...]
    score: float
    threshold: float
    slice: str
    model_version: str
    run: str
    revision: int
    supersedes: str | None
    source_partition: int
    source_offset: Offset


class FinalityMarker(Struct, frozen=True, gc=False):
    """Every click that stood in `clicks[partition]` when the hour's end was looked at is decided; in
    `decision-markers[partition]`.

    `clicks_end` was the end of `clicks[partition]` at `looked_at_ms`, which lies behind `hour_ends_ms`; the live
    decisions of all clicks below it stand in `decisions[partition]` below `decisions_end`. It closes the hours before,
    too. The first marker of an hour counts. Corrections decided at `credit_from_ms` or later are credits.
    """

    partition: int
    hour_ends_ms: TimeMs
    clicks_end: Offset
    decisions_end: Offset
    looked_at_ms: TimeMs
    credit_from_ms: TimeMs


ReleaseAction = Literal["promote", "rollback", "shadow"]


class ReleaseEvent(Struct, frozen=True):
    """Who switched what, when and why. `replaces_offset` names the event in force before; -1 if there was none.

    An event that names another offset than the one in force is void: of two at once, one wins.
    """

    action: ReleaseAction
    version: str
    replaces_offset: Annotated[int, Meta(ge=-1)]
    at_ms: TimeMs
    by: str
    reason: str


class PartitionStatus(Struct, frozen=True):
    """One partition of one worker: next offset to decide, and the first offset that the release in use decides."""

    partition: int
    next_offset: Offset
    release_from_offset: Offset
    lag: int | None


class WorkerStatus(Struct, frozen=True):
    """What one worker is doing; the newest record per worker id stands (compacted topic `worker-status`).

    `event_offset` is the newest event of `model-releases` that it has acted upon, -1 for none: `release` decides and
    `shadow` is scored beside it since then. An event whose release could not be loaded is acted upon too: a sentence
    in `problems` tells, and `release` is another than the event's. While the model store does not answer, an event is
    not acted upon yet, and `problems` tells that.
    """

    worker_id: Id
    at_ms: TimeMs
    ready: bool
    release: str
    partitions: tuple[PartitionStatus, ...]
    problems: tuple[str, ...]
    stopped: bool = False
    event_offset: Annotated[int, Meta(ge=-1)] = -1
    shadow: str | None = None
