"""The bytes of a state: written and read again, bounded, and harmless when they are somebody else's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import Misconfigured
from features.entities import Visit
from features.layout import Keys, account_bytes, counter_bytes, ip_bytes, read_account, read_ip, read_ip_ua
from features.windows import WindowCounter
from tests.builders import START_MS
from tests.features.oracles import HOUR_MS, SECOND_MS
from tests.features.test_states import account_of, ip_of, visit, visits_of

# A click in each tile of each window, late in the newest tiles, when most of them differ.
NEWEST_MS = START_MS + 50 * HOUR_MS + 195 * SECOND_MS
IN_EVERY_TILE_MS = [
    NEWEST_MS - n * 10 * SECOND_MS
    for n in reversed(range(28 * 360))
    if n < 14 or (n % 10 == 9 and n < 140) or n % 60 == 59
]


@given(visits_of(sessions=4, campaigns=6))
def test_what_is_written_is_read_again(visits: list[Visit]) -> None:
    account, ip = account_bytes(account_of(visits)), ip_bytes(ip_of(visits))
    counter = counter_bytes(account_of(visits).account.counter)

    assert account_bytes(read_account(account)) == account
    assert ip_bytes(read_ip(ip)) == ip
    assert counter_bytes(read_ip_ua(counter)) == counter


@given(visits_of(sessions=4, campaigns=6), st.integers(1, 300), st.binary(max_size=40))
def test_bytes_that_are_no_state_count_as_none(visits: list[Visit], cut: int, more: bytes) -> None:
    account, ip = account_bytes(account_of(visits)), ip_bytes(ip_of(visits))
    counter = counter_bytes(ip_of(visits).ip.counter)

    for broken in (account[:-cut], account + more + b"?", b"\0" + account[1:]):
        assert not read_account(broken).account.counter.tiles
    for broken in (ip[:-cut], ip + more + b"?", b"\0" + ip[1:]):
        assert not read_ip(broken).ip.counter.tiles
    for broken in (counter[:-cut], counter + more + b"?", b"\0" + counter[1:]):
        assert not read_ip_ua(broken).tiles


def test_an_account_with_more_sessions_than_places_counts_as_none() -> None:
    account = account_of([visit(START_MS, session_id="a"), visit(START_MS, session_id="b")])
    account.sessions.counters[b"a third."] = account.account.counter

    assert not read_account(account_bytes(account)).account.counter.tiles


@given(st.binary(max_size=400))
def test_reading_foreign_bytes_never_fails(foreign: bytes) -> None:
    read_account(foreign)
    read_ip(foreign)
    read_ip_ua(foreign)


def test_the_first_click_of_an_entity_takes_few_bytes() -> None:
    first = [visit(START_MS)]

    assert len(account_bytes(account_of(first))) == 59
    assert len(ip_bytes(ip_of(first))) == 19
    assert len(ip_bytes(ip_of([visit(START_MS, user_id=None)]))) == 17
    assert len(counter_bytes(account_of(first).account.counter)) == 11


def test_no_attack_makes_a_state_larger_than_its_bound() -> None:
    flood = [
        visit(t_ms, session_id=f"s{n % 2}", campaign_id=f"c{n % 4}", ip=f"10.0.0.{n}")
        for t_ms in IN_EVERY_TILE_MS
        for n in range(4)
    ]
    account, ip = account_of(flood), ip_of(flood)

    for n in range(1_000):
        account.count(visit(NEWEST_MS, session_id=f"s{n % 2}", campaign_id="c0", ip=f"{n}"))
        account.account.count(NEWEST_MS, (n % 128, n % 128))
        ip.count(visit(NEWEST_MS, session_id=f"s{n}", user_id=f"u{n}"))

    assert len(counter_bytes(account.account.counter)) == 219
    assert len(ip_bytes(ip)) == 735
    assert len(account_bytes(account)) == 2_099


def test_keys_carry_the_hash_tag_and_stay_apart_by_namespace() -> None:
    plain, prefixed = Keys(), Keys("eu-", "topic-id:")

    assert plain.account == b"{0}1a"
    assert plain.watermark(12) == b"{0}1w12"
    assert prefixed.stored_answers(3) == b"eu-{0}1stopic-id:3"


def test_a_namespace_with_braces_is_refused() -> None:
    with pytest.raises(Misconfigured, match="hash tag"):
        Keys("{eu}")


def test_a_new_counter_reads_like_none() -> None:
    assert read_ip_ua(None).peek(START_MS) == WindowCounter().peek(START_MS)
