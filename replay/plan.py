"""A plan: frozen offsets and what they would change. Written once, run later as it stands."""

from msgspec import Struct

from contracts.errors import Misconfigured
from contracts.events import Offset, TimeMs
from contracts.replay import ReplayId, ReplayJob, Span
from replay.estimate import Estimate
from replay.parts import Part
from replay.sample import INVALIDATED, MATCHING, RESTORED
from replay.warming import ShortPart


class ExpiredPart(Struct, frozen=True):
    """Records of a partition's feature log that are neither in Kafka nor in the archive, and are left out.

    Their rows were decided before `until_ms`, and after `since_ms`, if that is known. `log_end` 0: not known which.
    """

    partition: int
    until_ms: TimeMs
    since_ms: TimeMs | None = None
    log_first: Offset = 0
    log_end: Offset = 0


class Money(Struct, frozen=True):
    """Micros of one currency: `credited` for clicks that become invalid, `charged` for those that become valid."""

    credited: Estimate
    charged: Estimate


class Outlook(Struct, frozen=True):
    """What a plan would change, against the verdicts of the workers; `confidence` is that of every interval.

    `clicks` of the range, `sampled` of them; the estimates are exact where all were read. `rate` is the clicks/s that
    this machine decided.
    """

    clicks: int
    sampled: int
    exact: bool
    confidence: float
    matching: Estimate
    invalidated: Estimate
    restored: Estimate
    money: dict[str, Money]
    rate: float

    def seconds(self, clicks_per_s: float) -> float:
        """How long a run takes at a rate limit."""
        return self.clicks / min(clicks_per_s, self.rate or clicks_per_s)


class Plan(Struct, frozen=True):
    """A replay that may be run: `job` is complete but for what `slidr replay run` is told.

    `corrected_before`: replays that have published over the range; the outlook does not know their corrections.
    `parts`: where the rows of which clicks come from.
    `short`: partitions whose clicks before a time have expired though features counted again look back further.
    """

    id: ReplayId
    created_at_ms: TimeMs
    from_ms: TimeMs
    to_ms: TimeMs
    job: ReplayJob
    outlook: Outlook
    expired: tuple[ExpiredPart, ...] = ()
    corrected_before: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    short: tuple[ShortPart, ...] = ()


def check_range(from_ms: int, to_ms: int, now_ms: int) -> None:
    """Raise Misconfigured for a range that is empty, runs backwards, or ends in the future."""
    if from_ms >= to_ms:
        raise Misconfigured("The range ends before it begins, or is empty. --from must be earlier than --to.")
    if to_ms > now_ms:
        raise Misconfigured("The range ends in the future: what is not decided yet cannot be decided again.")


def outlook_of(
    estimates: dict[str, Estimate], clicks: int, sampled: int, exact: bool, confidence: float, rate: float
) -> Outlook:
    """From estimates by name, as `replay.sample` names them."""
    nothing = Estimate(0.0, 0.0, 0.0)
    currencies = sorted({name.split()[1] for name in estimates if " " in name})
    money = {
        currency: Money(
            estimates.get(f"{INVALIDATED} {currency}", nothing), estimates.get(f"{RESTORED} {currency}", nothing)
        )
        for currency in currencies
    }
    return Outlook(
        clicks, sampled, exact, confidence, estimates[MATCHING], estimates[INVALIDATED], estimates[RESTORED],
        money, rate,
    )  # fmt: skip


def overlap(one: dict[int, Span], other: dict[int, Span]) -> bool:
    """Whether two replays have a click in common."""
    return any(
        span.first < other[partition].end and other[partition].first < span.end
        for partition, span in one.items()
        if partition in other
    )
