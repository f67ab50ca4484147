"""The simulator: reproducible, in time order, at the rate asked for, with robots that hide among people."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import Misconfigured
from contracts.events import Click, Purchase
from tests.builders import START_MS
from traffic import people, robots
from traffic.columns import Window
from traffic.people import Arrivals, Town
from traffic.robots import KINDS, Gang
from traffic.simulate import Simulated, simulate

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@pytest.fixture(scope="module")
def week() -> list[Simulated]:
    """A week at 0.2 clicks/s: about 120,000 clicks."""
    return list(simulate(seed=7, start_ms=START_MS, duration_ms=7 * DAY_MS, clicks_per_s=0.2))


def clicks_of(traffic: list[Simulated]) -> Iterator[tuple[Click, str]]:
    for item in traffic:
        if item.truth is not None:
            assert isinstance(item.event, Click)
            yield item.event, item.truth.kind


def purchases_of(traffic: list[Simulated]) -> list[Purchase]:
    """Those of clicks within the period."""
    return [item.event for item in traffic if isinstance(item.event, Purchase) and item.event.session_id]


@given(st.integers(0, 2**32), st.floats(0.1, 500), st.floats(0, 1))
@settings(max_examples=20)
def test_the_same_arguments_give_the_same_bytes(seed: int, clicks_per_s: float, robot_share: float) -> None:
    duration_ms = round(200_000 / clicks_per_s)

    first, second = (
        msgspec.json.encode(list(simulate(seed, START_MS, duration_ms, clicks_per_s, robot_share))) for _ in range(2)
    )

    assert first == second


def test_another_seed_gives_other_clicks() -> None:
    first, second = (list(simulate(seed, START_MS, 60_000, 10)) for seed in (1, 2))

    assert first != second


def test_every_event_is_valid_on_the_wire_and_clicks_come_in_time_order_with_ids_of_their_own(
    week: list[Simulated],
) -> None:
    decoders = {kind: msgspec.json.Decoder(kind) for kind in (Click, Purchase)}

    decoded = [decoders[type(item.event)].decode(msgspec.json.encode(item.event)) for item in week]

    assert decoded == [item.event for item in week]
    assert all(earlier.at_ms <= later.at_ms for earlier, later in pairwise(week))
    ids = [click.click_id for click, _ in clicks_of(week)]
    assert len(set(ids)) == len(ids)


def test_clicks_lie_within_the_period_and_keep_the_mean_rate_and_the_robot_share(week: list[Simulated]) -> None:
    kinds = Counter(kind for _, kind in clicks_of(week))
    times = [click.clicked_at_ms for click, _ in clicks_of(week)]

    assert START_MS <= min(times) < max(times) < START_MS + 7 * DAY_MS
    assert kinds.total() / (7 * 86_400) == pytest.approx(0.2, rel=0.05)
    assert 1 - kinds["human"] / kinds.total() == pytest.approx(0.2, abs=0.03)
    assert set(kinds) == set(KINDS)


def test_the_first_minute_is_as_busy_as_any_other() -> None:
    traffic = list(simulate(seed=3, start_ms=START_MS, duration_ms=600_000, clicks_per_s=100))

    by_minute = Counter((click.clicked_at_ms - START_MS) // 60_000 for click, _ in clicks_of(traffic))

    assert len(by_minute) == 10
    assert min(by_minute.values()) > 0.9 * 6000
    assert max(by_minute.values()) < 1.1 * 6000


def test_people_sleep_at_night_and_robots_do_not(week: list[Simulated]) -> None:
    by_hour: dict[bool, Counter[int]] = {True: Counter(), False: Counter()}

    for click, kind in clicks_of(week):
        local_hour = (click.clicked_at_ms + HOUR_MS) // HOUR_MS % 24
        by_hour[kind == "human"][local_hour] += 1

    night, evening = range(2, 5), range(19, 22)
    assert sum(by_hour[True][hour] for hour in night) < 0.2 * sum(by_hour[True][hour] for hour in evening)
    assert sum(by_hour[False][hour] for hour in night) > 0.5 * sum(by_hour[False][hour] for hour in evening)


def test_only_people_buy_two_to_six_percent_of_their_clicks_and_only_later(week: list[Simulated]) -> None:
    kind_of = {click.click_id: (kind, click.clicked_at_ms) for click, kind in clicks_of(week)}
    purchases = purchases_of(week)

    led_to = [kind_of[purchase.purchase_id.removeprefix("p-")] for purchase in purchases]

    people_clicks = sum(kind == "human" for kind, _ in kind_of.values())
    assert 0.02 < len(purchases) / people_clicks < 0.06
    assert {kind for kind, _ in led_to} == {"human"}
    assert all(clicked < bought.purchased_at_ms for (_, clicked), bought in zip(led_to, purchases, strict=True))
    assert any(p.click_id is None for p in purchases)
    assert any(p.user_id is None for p in purchases)


def test_the_median_purchase_comes_after_the_delay_asked_for() -> None:
    traffic = list(simulate(5, START_MS, 600_000, 100, robot_share=0, purchase_delay_s=8))
    clicked = {click.click_id: click.clicked_at_ms for click, _ in clicks_of(traffic)}

    delays_s = [
        (purchase.purchased_at_ms - clicked[purchase.click_id]) / 1000
        for purchase in purchases_of(traffic)
        if purchase.click_id
    ]

    assert np.median(delays_s) == pytest.approx(8, rel=0.15)


def test_nothing_in_a_click_tells_its_kind(week: list[Simulated]) -> None:
    words = {*KINDS, "robot", "truth"}
    crawlers = {click.user_agent for click, kind in clicks_of(week) if kind == "crawler"}

    fields = set(Click.__struct_fields__)
    texts = {text for click, _ in clicks_of(week) for text in (click.click_id, click.session_id, click.user_id or "")}

    assert not fields & words
    assert not [text for text in texts if any(word in text for word in words)]
    agents = {click.user_agent for click, kind in clicks_of(week) if kind == "human"}
    assert {click.user_agent for click, _ in clicks_of(week)} == agents | crawlers


def test_gateways_make_people_share_addresses_as_widely_as_botnets_share_accounts(week: list[Simulated]) -> None:
    accounts: dict[str, dict[str, set[str]]] = {kind: defaultdict(set) for kind in KINDS}
    addresses: dict[str, dict[str, set[str]]] = {kind: defaultdict(set) for kind in KINDS}

    for click, kind in clicks_of(week):
        accounts[kind][click.ip].add(click.account_id)
        addresses[kind][click.account_id].add(click.ip)

    assert max(len(found) for found in accounts["human"].values()) > 100
    assert max(len(found) for found in addresses["rotating"].values()) > 10
    assert max(len(found) for found in addresses["low_and_slow"].values()) == 1


def test_busy_people_click_more_often_than_the_lazier_robots(week: list[Simulated]) -> None:
    per_session: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}

    for click, kind in clicks_of(week):
        per_session[kind][click.session_id] += 1

    assert max(per_session["human"].values()) > np.median(list(per_session["low_and_slow"].values()))
    assert max(per_session["human"].values()) > min(per_session["burst"].values())


def test_the_stated_means_of_clicks_per_visit_are_the_real_ones() -> None:
    rng, starts_ms, always = np.random.default_rng(1), np.zeros(20_000, np.int64), Window(0, 1 << 60)

    visits = Arrivals(starts_ms, rng.random(20_000))
    measured = {"human": len(people.clicks_of_visits(rng, visits, always, Town(10_000, 1.0))) / 20_000}
    for kind, robot in enumerate(robots.ROBOTS, start=1):
        measured[robot.name] = len(robots.clicks_of_visits(rng, visits, always, kind, Gang(10, 1000))) / 20_000

    stated = {"human": people.CLICKS_PER_VISIT, **{robot.name: robot.clicks_per_visit for robot in robots.ROBOTS}}
    assert measured == pytest.approx(stated, rel=0.04)


@pytest.mark.parametrize("arguments", [(1, START_MS, 0, 1.0), (1, START_MS, 1000, 0.0), (1, START_MS, 1000, 1.0, 1.5)])
def test_arguments_that_make_no_traffic_are_refused(arguments: tuple[int, int, int, float]) -> None:
    with pytest.raises(Misconfigured, match="cannot be"):
        simulate(*arguments)
