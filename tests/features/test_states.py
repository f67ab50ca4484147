"""What a click does to the state of its account, IP and IP + user agent."""

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from features.entities import EntityHasher, Visit
from features.layout import account_bytes, ip_bytes
from features.states import AccountState, IpState, slot_of
from features.windows import NEVER_SEEN
from tests.builders import START_MS, click
from tests.features.oracles import IDLE_MS, LONGEST_TILE_MS, occupied_slots, times_ms, window_counts

HASHER = EntityHasher("the key of these tests")


def visit(t_ms: int, **fields: Any) -> Visit:
    return HASHER.visit(click(clicked_at_ms=t_ms, **fields))


def visits_of(sessions: int, campaigns: int) -> st.SearchStrategy[list[Visit]]:
    fields = {
        "session_id": st.integers(1, sessions).map("session-{}".format),
        "campaign_id": st.integers(1, campaigns).map("campaign-{}".format),
        "ip": st.integers(1, 5).map("192.0.2.{}".format),
        "user_id": st.sampled_from([None, "user-1", "user-2"]),
    }
    return st.lists(st.builds(visit, times_ms, **fields), min_size=1, max_size=40)


def account_of(visits: list[Visit]) -> AccountState:
    state = AccountState()
    for each in visits:
        state.count(each)
    return state


def ip_of(visits: list[Visit]) -> IpState:
    state = IpState()
    for each in visits:
        state.count(each)
    return state


@given(visits_of(sessions=4, campaigns=2), st.randoms(use_true_random=False))
def test_the_bytes_of_an_ip_are_a_function_of_the_set_of_its_clicks(visits: list[Visit], rng: random.Random) -> None:
    shuffled = rng.sample(visits, len(visits))

    assert ip_bytes(ip_of(shuffled)) == ip_bytes(ip_of(visits))


@given(visits_of(sessions=4, campaigns=2), times_ms)
def test_an_idle_ip_or_account_becomes_what_a_new_one_is(visits: list[Visit], t_ms: int) -> None:
    late = visit(max(each.t_ms for each in visits) + IDLE_MS + t_ms - START_MS)
    account, ip = account_of(visits), ip_of(visits)

    answers = account.count(late), ip.count(late)

    assert answers == (AccountState().count(late), IpState().count(late))
    assert account_bytes(account) == account_bytes(account_of([late]))
    assert ip_bytes(ip) == ip_bytes(ip_of([late]))


@given(visits_of(sessions=2, campaigns=4), st.randoms(use_true_random=False))
def test_an_account_whose_parts_all_have_a_place_answers_whatever_the_order(
    visits: list[Visit], rng: random.Random
) -> None:
    shuffled = rng.sample(visits, len(visits))
    states = account_of(visits), account_of(shuffled)

    for each in visits:
        assert states[0].peek(each) == states[1].peek(each)


@given(visits_of(sessions=2, campaigns=4))
def test_each_entity_answers_what_brute_force_counts_of_its_own_clicks(visits: list[Visit]) -> None:
    account, ip = AccountState(), IpState()

    answers = [(account.count(each), ip.count(each)) for each in visits]

    seen: list[Visit] = []  # within reach
    for each, (of_account, of_ip) in zip(visits, answers, strict=True):
        newest_ms = max(one.t_ms for one in [*seen, each])
        seen = [one for one in [*seen, each] if newest_ms // LONGEST_TILE_MS - one.t_ms // LONGEST_TILE_MS <= 6]
        if each not in seen:
            continue
        of_session = [one.t_ms for one in seen if one.session == each.session]
        of_campaign = [one.t_ms for one in seen if one.campaign == each.campaign]
        assert list(of_account.account.counts.clicks) == window_counts([one.t_ms for one in seen], newest_ms)
        assert list(of_account.session.clicks) == window_counts(of_session, max(of_session))
        assert list(of_account.campaign.clicks) == window_counts(of_campaign, max(of_campaign))
        sets = (
            [(slot_of(one.ip), one.t_ms) for one in seen],
            [(slot_of(one.campaign), one.t_ms) for one in seen],
            [(slot_of(one.session), one.t_ms) for one in seen],
            [(slot_of(one.account), one.t_ms) for one in seen if one.has_user],
        )
        occupied = [n for hits in sets for n in occupied_slots(hits, newest_ms)]
        assert [*of_account.account.occupied, *of_ip.occupied] == occupied


def test_clicks_without_a_user_enter_no_sketch_of_users() -> None:
    state = ip_of([visit(START_MS, user_id=None, session_id=f"session-{n}") for n in range(3)])

    answer = state.peek(visit(START_MS))

    assert answer.occupied == (3, 3, 0, 0)


def test_a_third_session_takes_the_place_of_the_one_idle_for_longest() -> None:
    """
    a . . a . . . . b . . c    then b again, then a
    """
    state = account_of([visit(START_MS + s * 1_000, session_id=name) for s, name in enumerate("aabc")])

    again = [state.count(visit(START_MS + 9_000, session_id=name)).session.clicks[0] for name in "ba"]

    assert again == [2.0, 1.0]


def test_a_late_newcomer_is_answered_and_takes_nobodys_place() -> None:
    state = account_of([visit(START_MS + 5_000, session_id="a"), visit(START_MS + 6_000, session_id="b")])

    late = state.count(visit(START_MS, session_id="c"))

    assert late.session.clicks == (1.0, 1.0, 1.0, 1.0)
    assert [state.peek(visit(START_MS + 6_000, session_id=name)).session.clicks[0] for name in "abc"] == [1.0, 1.0, 0.0]


def test_a_click_too_old_for_its_account_changes_nothing_there() -> None:
    state = account_of([visit(START_MS + IDLE_MS, session_id="a")])
    before = account_bytes(state)

    answer = state.count(visit(START_MS, session_id="b"))

    assert account_bytes(state) == before
    assert answer.account.counts.clicks == (1.0, 1.0, 1.0, 1.0)
    assert answer.session == NEVER_SEEN


def test_idle_sessions_and_campaigns_give_up_their_places_in_time() -> None:
    state = account_of([visit(START_MS), visit(START_MS + IDLE_MS // 2, session_id="b", campaign_id="d")])

    state.count(visit(START_MS + IDLE_MS, session_id="c", campaign_id="e"))

    assert len(state.sessions.counters) == len(state.campaigns.counters) == 2
