"""Entities are told apart, and their names are not found in what is kept of them."""

import pytest

from contracts.errors import Misconfigured
from features.entities import DIGEST_BYTES, EntityHasher
from tests.builders import START_MS, click

KEY = "a secret of at least sixteen characters"


def test_a_visit_names_all_who_take_part_by_digests() -> None:
    visit = EntityHasher(KEY).visit(click())

    digests = visit[1:6]
    assert visit.t_ms == START_MS
    assert len(set(digests)) == 5
    assert {len(digest) for digest in digests} == {DIGEST_BYTES}


def test_the_account_is_the_user_else_the_session() -> None:
    hasher = EntityHasher(KEY)
    with_user, without = click(), click(user_id=None)

    assert hasher.visit(with_user).account == hasher.account(with_user) != hasher.visit(with_user).session
    assert hasher.visit(without).account == hasher.account(without) == hasher.visit(without).session
    assert [hasher.visit(one).has_user for one in (with_user, without)] == [True, False]


def test_equal_names_of_different_kinds_differ() -> None:
    visit = EntityHasher(KEY).visit(click(user_id="x", session_id="x", campaign_id="x", ip="x", user_agent="x"))

    assert len(set(visit[1:6])) == 5


def test_an_ip_and_user_agent_that_read_the_same_together_differ() -> None:
    hasher = EntityHasher(KEY)

    visits = hasher.visits([click(ip="10.0.0.1", user_agent="1x"), click(ip="10.0.0.11", user_agent="x")])

    assert visits[0].ip_ua != visits[1].ip_ua


def test_another_key_gives_other_digests_and_the_same_key_the_same() -> None:
    first, same, other = EntityHasher(KEY), EntityHasher(KEY), EntityHasher(KEY + "!")

    assert first.visit(click()) == same.visit(click())
    assert not set(first.visit(click())[1:6]) & set(other.visit(click())[1:6])


def test_a_short_key_is_refused_with_the_way_out() -> None:
    with pytest.raises(Misconfigured, match="SLIDR_ENTITY_KEY"):
        EntityHasher("too short")
