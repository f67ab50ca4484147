"""Which release is in force, which is scored beside it, and where to go back to: a fold of `model-releases`. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from contracts.events import ReleaseEvent
from model.release import PASS_THROUGH


class InForce(NamedTuple):
    """Versions in force, and the offset of the event that put them there; -1: none did.

    The shadow is never the active release, and never `pass-through`, which has no scores to compare.
    """

    active: str
    shadow: str | None = None
    offset: int = -1


class Entry(NamedTuple):
    """One event of the log: the state that it found, and the one that it left, the same if it was void."""

    offset: int
    event: ReleaseEvent
    effective: bool
    before: InForce
    after: InForce


class Period(NamedTuple):
    """A stretch of the log during which one release was active. `rolled_back`: how it ended; None: it has not."""

    version: str
    rolled_back: bool | None


def fold(events: Iterable[tuple[int, ReleaseEvent]], state: InForce) -> list[Entry]:
    """Apply (offset, event) pairs in log order. An event that replaces another offset than the one in force is void.

    offset     3            4            5            6               7
    event      promote B    promote C    promote D    shadow E        rollback B
    replaces   2            3            3: void      4               6
    active     B            C            C            C               B
    shadow     (A before)   B            B            E               none
    """
    entries = []
    for offset, event in events:
        effective = event.replaces_offset == state.offset
        after = _applied(state, offset, event) if effective else state
        entries.append(Entry(offset, event, effective, state, after))
        state = after
    return entries


def in_force(history: Sequence[Entry], default: str) -> InForce:
    """What the whole log comes to; `default` is active while no event ever took effect."""
    return history[-1].after if history else InForce(default)


def stable_releases(history: Sequence[Entry]) -> Iterator[str]:
    """Releases to go back to, best first: once in force, not active now, and not rolled back from the last time.

    active     A          B          C           B          D, now
    ended by   promotion  promotion  rollback    promotion
    gives      B, then A; not C
    """
    periods = list(_periods(history))
    if not periods:
        return
    judged = {periods[-1].version}
    for period in reversed(periods):
        if period.version not in judged:
            judged.add(period.version)
            if not period.rolled_back:
                yield period.version


def last_stable(history: Sequence[Entry]) -> str:
    """The release that a rollback goes to; `pass-through` where there is none."""
    return next(stable_releases(history), PASS_THROUGH)


def _applied(state: InForce, offset: int, event: ReleaseEvent) -> InForce:
    if event.action == "shadow":
        return _checked(state.active, event.version, offset)
    if event.action == "rollback":
        return InForce(event.version, None, offset)
    # What was active goes on being scored, to be compared with what follows it.
    return _checked(event.version, state.shadow if event.version == state.active else state.active, offset)


def _checked(active: str, shadow: str | None, offset: int) -> InForce:
    return InForce(active, None if shadow in (None, "", active, PASS_THROUGH) else shadow, offset)


def _periods(history: Sequence[Entry]) -> Iterator[Period]:
    for entry in history:
        if entry.after.active != entry.before.active:
            yield Period(entry.before.active, entry.event.action == "rollback")
    if history:
        yield Period(history[-1].after.active, None)
