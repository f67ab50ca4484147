"""Of two release events at once, one wins."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.events import ReleaseAction, ReleaseEvent
from streams.release_log import InForce, fold
from tests.builders import START_MS


def event(action: ReleaseAction, version: str, replaces: int) -> ReleaseEvent:
    return ReleaseEvent(action, version, replaces, START_MS, "dana", "test")


def test_an_event_that_names_another_than_the_one_in_force_is_void() -> None:
    events = [(0, event("promote", "b", -1)), (1, event("promote", "c", 0)), (2, event("promote", "d", 0))]

    assert fold(events, InForce("a")) == InForce("c", None, 1)


def test_a_rollback_is_the_same_event_pointing_back() -> None:
    events = [(0, event("promote", "b", -1)), (1, event("rollback", "a", 0))]

    assert fold(events, InForce("a")) == InForce("a", None, 1)


def test_a_shadow_leaves_the_active_release() -> None:
    events = [(0, event("promote", "b", -1)), (1, event("shadow", "c", 0)), (2, event("shadow", "", 1))]

    assert fold(events[:2], InForce("a")) == InForce("b", "c", 1)
    assert fold(events, InForce("a")) == InForce("b", None, 2)


@given(st.lists(st.tuples(st.sampled_from(["promote", "rollback"]), st.integers(-1, 8)), max_size=9), st.integers(0, 9))
def test_reading_the_log_in_parts_gives_the_same(steps: list[tuple[ReleaseAction, int]], cut: int) -> None:
    events = [(i, event(action, f"v{i}", replaces)) for i, (action, replaces) in enumerate(steps)]

    assert fold(events[cut:], fold(events[:cut], InForce("a"))) == fold(events, InForce("a"))
