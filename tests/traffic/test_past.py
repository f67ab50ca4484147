"""Purchases from before the first click: of those who click, before they click, and so known from the start."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.events import Click, Purchase
from tests.builders import START_MS
from tests.model.label_oracle import good_customers
from traffic.simulate import Simulated, simulate

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@pytest.fixture(scope="module")
def day() -> list[Simulated]:
    return list(simulate(seed=2, start_ms=START_MS, duration_ms=DAY_MS, clicks_per_s=0.5))


def purchases_before(traffic: list[Simulated]) -> Iterator[Purchase]:
    for item in traffic:
        if isinstance(item.event, Purchase) and item.at_ms < START_MS:
            yield item.event


@given(st.integers(0, 2**32), st.floats(0.01, 60))
@settings(max_examples=15, deadline=None)
def test_they_come_first_in_time_order_within_the_days_asked_for(seed: int, history_days: float) -> None:
    traffic = list(simulate(seed, START_MS, 6 * HOUR_MS, 0.1, history_days=history_days))

    times = [purchase.purchased_at_ms for purchase in purchases_before(traffic)]
    assert times == [item.at_ms for item in traffic[: len(times)]]
    assert times == sorted(times)
    assert all(at_ms >= START_MS - history_days * DAY_MS - 1 for at_ms in times)


def test_they_are_of_accounts_that_click_later_and_name_no_click(day: list[Simulated]) -> None:
    clicking = {item.event.user_id for item in day if isinstance(item.event, Click)}

    buying = {purchase.user_id for purchase in purchases_before(day)}

    # One visit in ten of somebody with an account is anonymous, and may be the only one.
    assert len(buying) > 1000
    assert len(buying & clicking) > 0.85 * len(buying)
    assert {(purchase.click_id, purchase.session_id) for purchase in purchases_before(day)} == {(None, None)}
    ids = [item.event.purchase_id for item in day if isinstance(item.event, Purchase)]
    assert len(set(ids)) == len(ids)


def test_good_customers_click_in_the_first_hour_and_nearly_none_is_a_robot(day: list[Simulated]) -> None:
    good = good_customers(list(purchases_before(day)))

    clicks = [
        (item.event.account_id in good, item.truth.robot)
        for item in day
        if isinstance(item.event, Click) and item.truth and item.at_ms < START_MS + HOUR_MS
    ]
    assert sum(known for known, _ in clicks) > 0.05 * len(clicks)
    assert not any(robot for known, robot in clicks if known)


def test_without_history_the_clicks_are_the_same(day: list[Simulated]) -> None:
    without = list(simulate(seed=2, start_ms=START_MS, duration_ms=DAY_MS, clicks_per_s=0.5, history_days=0))

    assert without == [item for item in day if item.at_ms >= START_MS]


def test_customers_buy_before_as_often_as_after(day: list[Simulated]) -> None:
    per_day_before = len(list(purchases_before(day))) / 30
    after = [item for item in day if isinstance(item.event, Purchase) and item.at_ms >= START_MS and item.event.user_id]

    # Those who click on this day, and no more than eight purchases each, against all purchases of accounts on it.
    assert 0.1 < per_day_before / len(after) < 1
