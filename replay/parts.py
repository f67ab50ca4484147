"""Which clicks of a range come from Kafka, which from the archive, and what is in neither. Pure."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

from contracts.errors import Refused
from contracts.events import Offset, TimeMs
from contracts.replay import LogRange, Span


class Part(Struct, frozen=True):
    """Clicks `first` up to, not including, `end` of a partition, decided from `from_ms` up to before `to_ms`.

    `place` is where their rows were when the plan was made. What expires later is taken from the archive too.
    """

    place: Literal["kafka", "archive"]
    partition: int
    first: Offset
    end: Offset
    from_ms: TimeMs
    to_ms: TimeMs


class Gap(NamedTuple):
    """Records of `feature-log[partition]` that are in neither; their rows were decided between two times, if known."""

    partition: int
    since_ms: int | None
    until_ms: int | None
    first: int
    end: int


class Border(NamedTuple):
    """Where Kafka's part of a partition begins: a record, a time (None if it holds none), and the click before it."""

    log_offset: int
    since_ms: int | None
    last_source_offset: int


def parts_of(partition: int, span: Span, border: Border | None, from_ms: int, to_ms: int) -> list[Part]:
    """The span in one part or two; without a border all of it is in Kafka."""
    if border is None or border.log_offset <= span.log_first:
        return [Part("kafka", partition, span.first, span.end, from_ms, to_ms)]
    if span.log_end <= border.log_offset:
        return [Part("archive", partition, span.first, span.end, from_ms, to_ms)]
    cut = min(max(border.last_source_offset + 1, span.first), span.end)
    cut_ms = to_ms if border.since_ms is None else border.since_ms
    parts = [
        Part("archive", partition, span.first, cut, from_ms, cut_ms),
        Part("kafka", partition, cut, span.end, cut_ms, to_ms),
    ]
    return [part for part in parts if part.first < part.end]


def missing_of(span: Span, gaps: Sequence[Gap]) -> tuple[LogRange, ...]:
    """What of a span's records is in the gaps of its partition, in order."""
    cut = [LogRange(max(gap.first, span.log_first), min(gap.end, span.log_end)) for gap in gaps]
    return tuple(sorted((one for one in cut if one.first < one.end), key=lambda one: one.first))


def refuse_gaps(gaps: Sequence[Gap], archive_uri: str, show: Callable[[int], str]) -> None:
    """Raise Refused that names what is in neither; `show(ms)` writes a time."""
    if gaps:
        raise Refused(
            f"A part of the range has expired from Kafka and is not in the archive {archive_uri or '(there is none)'} "
            f"({'; '.join(named(gap, show) for gap in gaps)}). Begin later, or replay what is left with --allow-gaps."
        )


def named(gap: Gap, show: Callable[[int], str]) -> str:
    """A gap as it is named to people."""
    until = "" if gap.until_ms is None else show(gap.until_ms)
    if gap.since_ms is None:
        when = f"before {until}" if until else "all that it held"
    else:
        when = f"{show(gap.since_ms)} to {until}" if until else f"since {show(gap.since_ms)}"
    return f"partition {gap.partition}: {when}, records {gap.first} to {gap.end - 1} of its feature log"
