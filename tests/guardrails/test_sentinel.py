"""A faulty release is taken back within a minute; attacks, crowds and clean days move nothing."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.limits import read_limits
from guardrails.sentinel.judge import Action, InForce, Judgement, judge
from guardrails.sentinel.state import HOUR_MS, State, Summary
from tests.guardrails.live_clicks import (
    ACTIVE,
    EXPECTED,
    SLICES,
    SOUND,
    STABLE,
    START_MS,
    Judged,
    World,
    invalidating_half_of_mobile,
)

LIMITS = read_limits().sentinel
WATCHED = InForce(ACTIVE, STABLE, STABLE, promoted=True, offset=1, expected=EXPECTED)
ALONE = InForce(ACTIVE, None, STABLE, promoted=True, offset=1, expected=EXPECTED)
NOON_MS = START_MS + 12 * HOUR_MS


def judgements(state: State, summaries: Iterable[Summary], releases: InForce) -> Iterator[Judgement]:
    """Fold, and judge after each; people buy all the time."""
    for summary in summaries:
        state.fold(summary)
        state.purchased([summary.last_ms])
        yield judge(state, releases, LIMITS)


def first_action(state: State, summaries: Iterable[Summary], releases: InForce) -> Judgement | None:
    return next((found for found in judgements(state, summaries, releases) if found.action), None)


def after_an_hour(world: World) -> State:
    """The stable release has decided for an hour."""
    state = State()
    for summary in world.run(3600, STABLE, SOUND):
        state.fold(summary)
    state.purchased([world.at_ms])
    return state


@pytest.mark.parametrize("seed", range(5))
def test_a_release_that_invalidates_half_of_mobile_is_taken_back_within_a_minute_of_enough_clicks(seed: int) -> None:
    world = World(seed, NOON_MS)
    state = after_an_hour(world)
    promoted_ms = world.at_ms

    found = first_action(state, world.run(600, ACTIVE, invalidating_half_of_mobile(), STABLE), WATCHED)

    assert found is not None
    assert found.action is not None
    assert found.action.action == "rollback"
    assert found.action.version == STABLE
    assert "newly_invalid: mobile|" in found.action.reason
    enough_ms = 1000 * LIMITS.least_clicks / (SLICES["mobile|user"] * 0.8)
    assert found.at_ms - promoted_ms <= enough_ms + 60_000
    blocked = [verdict for verdict in found.verdicts if verdict.outcome == "blocked"]
    assert {verdict.where.split("|")[0] for verdict in blocked} == {"mobile"}
    assert all(verdict.measured is not None and 0.2 < verdict.measured < 0.6 for verdict in blocked)
    shares = [float(share) for share in re.findall(r"\(([\d.]+)%\)", found.action.reason)]
    assert all(40 < share < 60 for share in shares)


@pytest.mark.parametrize("seed", range(3))
def test_without_a_shadow_it_is_taken_back_by_what_is_expected_of_it(seed: int) -> None:
    world = World(seed, NOON_MS)
    faulty = replace(SOUND, people={name: 0.85 if "mobile" in name else 0.06 for name in SLICES})

    found = first_action(after_an_hour(world), world.run(600, ACTIVE, faulty), ALONE)

    assert found is not None
    assert found.action is not None
    assert "ivr_above: mobile|" in found.action.reason


@pytest.mark.parametrize(
    ("faulty", "guardrail"),
    [
        (replace(SOUND, people=dict.fromkeys(SLICES, 0.0), robots=dict.fromkeys(SLICES, 0.02)), "let_through"),
        (replace(SOUND, people=dict.fromkeys(SLICES, 0.94), robots=dict.fromkeys(SLICES, 0.25)), "newly_invalid"),
    ],
    ids=["scores of 0", "labels flipped"],
)
def test_other_faults_are_taken_back_too(faulty: Judged, guardrail: str) -> None:
    world = World(1, NOON_MS)

    found = first_action(after_an_hour(world), world.run(600, ACTIVE, faulty, STABLE), WATCHED)

    assert found is not None
    assert found.action is not None
    assert found.action.reason.startswith(guardrail)


def test_two_releases_that_differ_as_often_either_way_disagree_too_much() -> None:
    """As many people become invalid as robots become valid: neither share alone tells."""
    world = World(1, NOON_MS, robots=1.4)
    swapped = replace(SOUND, people=dict.fromkeys(SLICES, 0.55), robots=dict.fromkeys(SLICES, 0.15))

    found = first_action(after_an_hour(world), world.run(600, ACTIVE, swapped, STABLE), WATCHED)

    assert found is not None
    assert any(one.guardrail == "disagreement" and one.outcome == "blocked" for one in found.verdicts)


@pytest.mark.parametrize("releases", [WATCHED, ALONE], ids=["watched", "alone"])
@pytest.mark.parametrize("seed", range(4))
def test_ten_times_the_usual_robots_roll_nothing_back(seed: int, releases: InForce) -> None:
    world = World(seed, NOON_MS, robots=0.4, seen=0.95, step_s=30)
    sharp = replace(SOUND, robots=dict.fromkeys(SLICES, 0.95))
    state = after_an_hour(world)
    for summary in world.run(300, ACTIVE, sharp, releases.shadow):
        state.fold(summary)
    world.attack = 10.0

    found = list(judgements(state, world.run(3 * 3600, ACTIVE, sharp, releases.shadow), releases))

    assert not any(one.action for one in found)
    window, _ = state.window(ACTIVE, 600_000)
    assert all(counts.invalid > 0.65 * counts.clicks for counts in window.values())  # far beyond any band


@pytest.mark.parametrize("seed", range(3))
def test_an_attack_that_only_the_new_release_sees_is_its_merit(seed: int) -> None:
    world = World(seed, NOON_MS)
    state = after_an_hour(world)
    world.attack = 10.0
    better = replace(SOUND, robots=dict.fromkeys(SLICES, 0.99), robots_differ=0.8)

    assert first_action(state, world.run(3600, ACTIVE, better, STABLE), WATCHED) is None


def test_a_faulty_release_is_taken_back_in_the_middle_of_an_attack() -> None:
    world = World(1, NOON_MS, seen=0.97)
    state = after_an_hour(world)
    world.attack = 10.0
    faulty = replace(invalidating_half_of_mobile(), robots=dict.fromkeys(SLICES, 0.97))

    found = first_action(state, world.run(600, ACTIVE, faulty, STABLE), WATCHED)

    assert found is not None
    assert found.action is not None
    assert "mobile|" in found.action.reason


@pytest.mark.parametrize("releases", [WATCHED, ALONE], ids=["watched", "alone"])
@pytest.mark.parametrize("seed", range(6))
def test_clean_days_pass(seed: int, releases: InForce) -> None:
    """A day a seed and then a sale; every two minutes are judged, and at night there are as many robots as people."""
    world = World(100 + seed, START_MS + seed * 7 * HOUR_MS, step_s=120)
    state = after_an_hour(world)

    quiet = list(judgements(state, world.run(23 * 3600, ACTIVE, SOUND, releases.shadow), releases))
    world.crowd = 3.0
    sale = list(judgements(state, world.run(3 * 3600, ACTIVE, SOUND, releases.shadow), releases))

    actions = [found.action for found in (*quiet, *sale) if found.action]
    assert all(action.action == "shadow" for action in actions)
    assert not any(one.outcome == "blocked" for found in (*quiet, *sale) for one in found.verdicts)


def test_the_shadow_ends_when_the_watch_does() -> None:
    world = World(1, NOON_MS, step_s=60)
    state = after_an_hour(world)
    promoted_ms = world.at_ms

    found = first_action(state, world.run(30 * 3600, ACTIVE, SOUND, STABLE), WATCHED)

    assert found is not None
    assert found.action == Action("shadow", "", "active was watched beside stable for 24 h.")
    assert 24 * HOUR_MS <= found.at_ms - promoted_ms <= 24 * HOUR_MS + 120_000


def test_a_candidate_in_the_shadow_says_nothing_against_the_active_release() -> None:
    """Only the last stable release is a measure: `slidr shadow CANDIDATE` may score what it likes."""
    world = World(1, NOON_MS)
    candidate = InForce(ACTIVE, "candidate", STABLE, promoted=True, offset=3, expected=EXPECTED)
    milder = replace(SOUND, robots=dict.fromkeys(SLICES, 0.1))

    assert first_action(after_an_hour(world), world.run(3600, ACTIVE, milder, "candidate"), candidate) is None


def test_what_a_rollback_put_in_force_is_never_rolled_back() -> None:
    world = World(1, NOON_MS)
    state = after_an_hour(world)
    rolled_back = msgspec.structs.replace(WATCHED, promoted=False)

    assert first_action(state, world.run(600, ACTIVE, invalidating_half_of_mobile(), STABLE), rolled_back) is None


def test_a_release_that_is_promoted_again_is_judged_by_what_it_does_now() -> None:
    world = World(1, NOON_MS)
    state = after_an_hour(world)
    for summary in world.run(120, ACTIVE, invalidating_half_of_mobile(), STABLE):
        state.fold(summary)
    state.put_in_force(ACTIVE, 1)
    assert judge(state, WATCHED, LIMITS).action is not None  # heard of late, and judged by what it did meanwhile
    state.put_in_force(ACTIVE, 1)
    assert judge(state, WATCHED, LIMITS).action is not None
    state.put_in_force(STABLE, 2)
    state.put_in_force(ACTIVE, 3)

    assert first_action(state, world.run(600, ACTIVE, SOUND, STABLE), WATCHED) is None


def test_false_positives_are_judged_on_matured_purchases() -> None:
    world = World(1, NOON_MS, step_s=60)
    state = after_an_hour(world)
    promoted_ms = world.at_ms
    harsh = replace(SOUND, people=dict.fromkeys(SLICES, 0.35))

    found = first_action(state, world.run(6 * 3600, ACTIVE, harsh), ALONE)

    assert found is not None
    assert found.action is not None
    assert found.action.reason.startswith("fpr_above: ")
    assert found.at_ms - promoted_ms >= LIMITS.maturity_h * HOUR_MS


def test_a_frozen_purchases_feed_raises_an_alarm_and_false_positives_are_not_judged() -> None:
    world = World(1, NOON_MS, step_s=60)
    state = after_an_hour(world)
    harsh = replace(SOUND, people=dict.fromkeys(SLICES, 0.35))
    last = judge(state, ALONE, LIMITS)

    for summary in world.run(6 * 3600, ACTIVE, harsh):
        state.fold(summary)
        state.purchased([NOON_MS])  # the same purchases again and again
        last = judge(state, ALONE, LIMITS)
        minutes = (state.newest_ms - state.purchase_ms) / 60_000
        if minutes > LIMITS.purchases_silent_min:
            assert last.action is None
            assert not any(verdict.guardrail == "fpr_above" for verdict in last.verdicts)

    (alarm,) = [verdict for verdict in last.verdicts if verdict.outcome == "blocked"]
    assert alarm.guardrail == "purchases_silent_min"
    state.purchased([state.newest_ms])
    resumed = judge(state, ALONE, LIMITS)
    assert resumed.action is not None
    assert resumed.action.reason.startswith("fpr_above: ")


def test_purchases_of_the_future_do_not_keep_a_feed_alive() -> None:
    state = after_an_hour(World(1, NOON_MS))

    state.purchased([state.newest_ms + 1000 * HOUR_MS])

    assert state.purchase_ms == state.newest_ms


def test_busy_sessions_that_get_through_are_reported_and_roll_nothing_back() -> None:
    world = World(1, NOON_MS, step_s=60)
    state = after_an_hour(world)
    blind = replace(SOUND, robots=dict.fromkeys(SLICES, 0.2))
    bands = msgspec.structs.replace(
        ALONE,
        expected={
            name: msgspec.structs.replace(band, ivr=(type(band.fpr)(0, 1),) * 168) for name, band in EXPECTED.items()
        },
    )

    found = list(judgements(state, world.run(3 * 3600, ACTIVE, blind), bands))

    assert not any(one.action for one in found)
    assert any(one.guardrail == "coverage_fallen_to" and one.outcome == "blocked" for one in found[-1].verdicts)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(1, 12), st.floats(0, 1), st.integers(1, 60))
def test_a_state_that_was_stored_goes_on_as_if_it_never_stopped(
    seed: int, attack: float, harm: float, cut: int
) -> None:
    world = World(seed, NOON_MS, attack=attack)
    judged = replace(SOUND, people=dict.fromkeys(SLICES, harm))
    summaries = [*world.run(300, STABLE, SOUND), *world.run(300, ACTIVE, judged, STABLE)]
    kept, stored = State(), State()

    expected = list(judgements(kept, summaries, WATCHED))
    before = list(judgements(stored, summaries[:cut], WATCHED))
    stored = msgspec.json.decode(msgspec.json.encode(stored), type=State)
    after = list(judgements(stored, summaries[cut:], WATCHED))

    assert before + after == expected
    assert stored == kept


def test_the_state_stays_small_however_long_it_runs() -> None:
    world = World(1, step_s=600)
    state = State()
    for number in range(12):
        for summary in world.run(24 * 3600, f"version-{number}", SOUND, STABLE):
            state.fold(summary)

    assert len(msgspec.json.encode(state)) < 300_000
    assert len(state.releases) <= 6
    assert len(state.volumes) <= 8 * 24 + 1
