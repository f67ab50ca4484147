"""Weak labels: which click a purchase belongs to, and who is a good customer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import Click, Purchase
from model.labels import ATTRIBUTION_MS, good_customers, label, quintiles

T0_MS = 1_700_000_000_000
DAY_MS = 24 * 3_600_000


def click(click_id: str, at_ms: int, user: str | None = "ann", session: str = "s") -> Click:
    return Click(
        click_id, T0_MS + at_ms, session, user is not None, "10.0.0.1", "UA", "mobile", "a", "k", 1, "EUR", user_id=user
    )


def purchase(
    at_ms: int,
    user: str | None = "ann",
    session: str | None = None,
    click_id: str | None = None,
    value: int = 10,
    currency: str = "EUR",
) -> Purchase:
    return Purchase(f"p{at_ms}", T0_MS + at_ms, value, currency, user, session, click_id)


def purchasing(clicks: list[Click], purchases: list[Purchase]) -> list[str]:
    return [c.click_id for c, bought in zip(clicks, label(clicks, purchases).purchasing, strict=True) if bought]


def test_a_purchase_belongs_to_the_accounts_last_click_before_it() -> None:
    clicks = [click("c1", 0), click("c2", 10), click("c3", 30), click("other", 19, user="bob")]

    assert purchasing(clicks, [purchase(20)]) == ["c2"]


def test_a_click_in_the_millisecond_of_the_purchase_is_before_it() -> None:
    assert purchasing([click("c1", 0), click("c2", 20), click("c3", 21)], [purchase(20)]) == ["c2"]


def test_a_purchase_that_names_its_click_belongs_to_that_one() -> None:
    clicks = [click("c1", 0), click("c2", 10)]

    assert purchasing(clicks, [purchase(20, click_id="c1")]) == ["c1"]


def test_a_purchase_that_names_a_click_we_do_not_have_belongs_to_none() -> None:
    assert purchasing([click("c1", 0)], [purchase(20, click_id="gone")]) == []


def test_a_click_delivered_twice_is_labelled_twice() -> None:
    assert label([click("c1", 0), click("c1", 0)], [purchase(20, click_id="c1")]).purchasing.tolist() == [True, True]


@pytest.mark.parametrize(("age_ms", "expected"), [(ATTRIBUTION_MS, ["c1"]), (ATTRIBUTION_MS + 1, [])])
def test_attribution_ends_after_fourteen_days(age_ms: int, expected: list[str]) -> None:
    assert purchasing([click("c1", 0)], [purchase(age_ms)]) == expected


def test_a_purchase_before_every_click_belongs_to_none() -> None:
    assert purchasing([click("c1", 30)], [purchase(20)]) == []


def test_a_guest_who_logs_in_to_buy_is_found_by_the_session() -> None:
    clicks = [click("by-user", 0), click("as-guest", 10, user=None, session="s9")]

    assert purchasing(clicks, [purchase(20, user="ann", session="s9")]) == ["as-guest"]


def test_a_purchase_of_nobody_known_belongs_to_none() -> None:
    assert purchasing([click("c1", 0)], [purchase(20, user=None)]) == []


@given(
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from("ab")), max_size=20),
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from("ab")), max_size=6),
)
def test_attribution_equals_a_walk_through_all_clicks(
    clicked: list[tuple[int, str]], bought: list[tuple[int, str]]
) -> None:
    half_day_ms = DAY_MS // 2
    clicks = [click(str(i), at * half_day_ms, user) for i, (at, user) in enumerate(clicked)]
    purchases = [purchase(at * half_day_ms, user) for at, user in bought]

    found = purchasing(clicks, purchases)

    expected = set()
    for p in purchases:
        reach = [
            c for c in clicks if c.user_id == p.user_id and 0 <= p.purchased_at_ms - c.clicked_at_ms <= 14 * DAY_MS
        ]
        if reach:
            expected.add(max(reach, key=lambda c: (c.clicked_at_ms, int(c.click_id))).click_id)
    assert set(found) == expected


def regulars() -> list[Purchase]:
    """Five buyers; each bought once more, later and for more than the one before."""
    return [purchase(100 * rank + i, user=f"u{rank}", value=10 * rank) for rank in range(1, 6) for i in range(rank)]


def test_recent_frequent_and_generous_buyers_are_good_customers() -> None:
    assert good_customers(regulars()) == {"u4", "u5"}


def test_all_clicks_of_a_good_customer_are_human_and_only_buying_clicks_are_purchasing() -> None:
    clicks = [click("long-after", 10**6, user="u5"), click("c", 10**6, user="u1")]

    labels = label(clicks, regulars())

    assert labels.human.tolist() == [True, False]
    assert labels.purchasing.tolist() == [False, False]


def test_money_is_compared_within_its_currency() -> None:
    yen = [purchase(900 + i, user=f"y{i}", value=1_000_000 + i, currency="JPY") for i in range(5)]

    with_yen = good_customers([*regulars(), *yen])

    assert "u5" in with_yen


def test_equal_buyers_are_all_in_the_lowest_quintile() -> None:
    assert quintiles({"a": 3.0, "b": 3.0, "c": 3.0}) == {"a": 1, "b": 1, "c": 1}


@given(st.lists(st.integers(0, 9).map(float), min_size=1, max_size=40))
def test_a_quintile_is_the_share_strictly_below(values: list[float]) -> None:
    found = quintiles({str(i): value for i, value in enumerate(values)})

    below = [sum(other < value for other in values) for value in values]
    assert list(found.values()) == [1 + 5 * count // len(values) for count in below]


def test_no_clicks_and_no_purchases_give_no_labels() -> None:
    labels = label([], [])

    assert labels.human.shape == labels.purchasing.shape == (0,)
    assert labels.human.dtype == np.bool_
