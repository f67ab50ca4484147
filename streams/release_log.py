"""Which release is in force, by the events of the topic `model-releases`. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from contracts.events import ReleaseEvent


class InForce(NamedTuple):
    """Versions in force, and the offset of the event that put the active one there; -1: none did."""

    active: str
    shadow: str | None = None
    offset: int = -1


def fold(events: Iterable[tuple[int, ReleaseEvent]], state: InForce) -> InForce:
    """Apply (offset, event) pairs in log order. An event that replaces another offset than the one in force is void.

    offset     3            4             5
    event      promote B    promote C     promote D
    replaces   2            3             3: void, C was first
    """
    for offset, event in events:
        if event.replaces_offset != state.offset:
            continue
        if event.action == "shadow":
            state = InForce(state.active, event.version or None, offset)
        else:
            state = InForce(event.version, state.shadow, offset)
    return state
