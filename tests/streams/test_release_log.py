"""Of two events at once one wins; a promotion leaves its predecessor as shadow; a rollback knows where to go."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.events import ReleaseAction, ReleaseEvent
from streams.release_log import Entry, InForce, fold, in_force, last_stable, stable_releases
from tests.builders import START_MS

Step = tuple[ReleaseAction, str]
steps = st.lists(st.tuples(st.sampled_from(["promote", "rollback", "shadow"]), st.sampled_from(["a", "b", "c", ""])))


def event(action: ReleaseAction, version: str, replaces: int) -> ReleaseEvent:
    return ReleaseEvent(action, version, replaces, START_MS, "dana", "test")


def log(*made: Step, default: str = "pass-through") -> list[Entry]:
    """A log in which each event replaces the one before."""
    return fold([(i, event(action, version, i - 1)) for i, (action, version) in enumerate(made)], InForce(default))


def test_an_event_that_names_another_than_the_one_in_force_is_void() -> None:
    entries = fold(
        [(0, event("promote", "b", -1)), (1, event("promote", "c", 0)), (2, event("promote", "d", 0))], InForce("a")
    )

    assert [entry.effective for entry in entries] == [True, True, False]
    assert in_force(entries, "a") == entries[-1].before == InForce("c", "b", 1)


def test_offsets_that_no_event_has_do_not_matter() -> None:
    entries = fold([(4, event("promote", "b", -1)), (9, event("rollback", "a", 4))], InForce("a"))

    assert in_force(entries, "a") == InForce("a", None, 9)


def test_a_promotion_leaves_the_release_before_it_as_shadow() -> None:
    assert log(("promote", "a"), ("promote", "b"))[-1].after == InForce("b", "a", 1)


def test_pass_through_is_no_shadow_nor_is_the_active_release() -> None:
    assert log(("promote", "a"))[-1].after == InForce("a", None, 0)
    assert log(("promote", "a"), ("shadow", "a"))[-1].after == InForce("a", None, 1)
    assert log(("promote", "a"), ("shadow", "pass-through"))[-1].after == InForce("a", None, 1)


def test_promoting_the_active_release_again_leaves_its_shadow() -> None:
    assert log(("promote", "a"), ("promote", "b"), ("promote", "b"))[-1].after == InForce("b", "a", 2)


def test_a_rollback_ends_the_shadow() -> None:
    assert log(("promote", "a"), ("promote", "b"), ("rollback", "a"))[-1].after == InForce("a", None, 2)


def test_a_shadow_leaves_the_active_release() -> None:
    entries = log(("promote", "b"), ("shadow", "c"), ("shadow", ""))

    assert [entry.after for entry in entries[1:]] == [InForce("b", "c", 1), InForce("b", None, 2)]


def test_the_last_stable_release_is_the_one_before_and_never_one_that_was_rolled_back_from() -> None:
    assert last_stable([]) == "pass-through"
    assert last_stable(log(("promote", "a"))) == "pass-through"
    assert last_stable(log(("promote", "a"), ("promote", "b"))) == "a"
    assert last_stable(log(("promote", "a"), ("promote", "b"), ("rollback", "a"))) == "pass-through"
    assert last_stable(log(("promote", "a"), ("promote", "b"), ("promote", "c"), ("rollback", "b"))) == "a"
    assert last_stable(log(("promote", "a"), ("promote", "b"), ("rollback", "a"), ("promote", "c"))) == "a"


def test_a_release_promoted_again_after_a_rollback_is_stable_again() -> None:
    entries = log(("promote", "a"), ("promote", "b"), ("rollback", "a"), ("promote", "b"), ("promote", "c"))

    assert list(stable_releases(entries)) == ["b", "a", "pass-through"]


@given(steps, st.lists(st.integers(-3, 0)))
def test_the_log_means_what_reading_it_event_by_event_means(made: list[Step], late: list[int]) -> None:
    """The oracle: three variables, changed as the rules say, by every event that names the newest effective one."""
    active, shadow, newest = "pass-through", "", -1
    expected = []
    events = []
    for offset, (action, version) in enumerate(made):
        replaces = max(-1, newest + (late[offset] if offset < len(late) else 0))
        events.append((offset, event(action, version, replaces)))
        if replaces == newest:
            if action == "promote":
                shadow = active if active != version else shadow
                active = version
            elif action == "rollback":
                active, shadow = version, ""
            else:
                shadow = version
            shadow = "" if shadow in (active, "pass-through") else shadow
            newest = offset
        expected.append(InForce(active, shadow or None, newest))

    entries = fold(events, InForce("pass-through"))

    assert [entry.after for entry in entries] == expected
    assert [entry.effective for entry in entries] == [found.offset == i for i, found in enumerate(expected)]


@given(steps)
def test_where_to_go_back_to_means_what_looking_at_each_release_alone_means(made: list[Step]) -> None:
    """The oracle: when each release was last active before now, and whether a rollback ended that."""
    entries = log(*made)
    last_active: dict[str, tuple[int, bool]] = {}
    for entry in entries:
        if entry.before.active != entry.after.active:
            last_active[entry.before.active] = (entry.offset, entry.event.action == "rollback")
    last_active.pop(in_force(entries, "pass-through").active, None)
    newest_first = sorted(last_active.items(), key=lambda item: -item[1][0])

    assert list(stable_releases(entries)) == [version for version, (_, rolled_back) in newest_first if not rolled_back]


@given(steps, st.lists(st.integers(-1, 8)), st.integers(0, 9))
def test_reading_the_log_in_parts_gives_the_same(made: list[Step], replaces: list[int], cut: int) -> None:
    events = [(i, event(action, v, r)) for i, ((action, v), r) in enumerate(zip(made, replaces, strict=False))]

    first = fold(events[:cut], InForce("a"))

    assert first + fold(events[cut:], in_force(first, "a")) == fold(events, InForce("a"))
