"""Sales: more of the same people, for as long as told, on top of all other traffic."""

from collections import Counter

import msgspec
import pytest

from contracts.errors import Misconfigured
from contracts.events import Click, Purchase
from tests.builders import START_MS
from traffic.sales import Sale, parse_sale
from traffic.scenario import Scenario
from traffic.simulate import Simulated, simulate

HOUR_MS = 3_600_000
SALE = Sale(START_MS + 8 * HOUR_MS, START_MS + 16 * HOUR_MS, 2.5)


def clicks_of(traffic: list[Simulated]) -> list[tuple[Click, str]]:
    return [(item.event, item.truth.kind) for item in traffic if isinstance(item.event, Click) and item.truth]


def test_a_sale_multiplies_what_people_do_while_it_lasts_and_nothing_else() -> None:
    calm = list(simulate(3, START_MS, 24 * HOUR_MS, 0.3, history_days=0))
    busy = list(simulate(3, START_MS, 24 * HOUR_MS, 0.3, history_days=0, sales=(SALE,)))

    # click_ids number the clicks in time order.
    before = Counter(msgspec.structs.replace(click, click_id="c") for click, _ in clicks_of(calm))
    after = Counter(msgspec.structs.replace(click, click_id="c") for click, _ in clicks_of(busy))
    extra = list((after - before).elements())
    usual = [
        click
        for click, kind in clicks_of(calm)
        if kind == "human" and SALE.from_ms <= click.clicked_at_ms < SALE.until_ms
    ]
    assert not before - after
    assert all(SALE.from_ms <= click.clicked_at_ms < SALE.until_ms for click in extra)
    assert len(extra) == pytest.approx(1.5 * len(usual), rel=0.1)
    added = set(extra)
    kinds = {kind for click, kind in clicks_of(busy) if msgspec.structs.replace(click, click_id="c") in added}
    assert kinds == {"human"}


def test_who_comes_to_a_sale_buys_as_much_as_ever() -> None:
    bought = [
        [item for item in simulate(3, START_MS, 24 * HOUR_MS, 2, history_days=0, sales=sales) if item.truth is None]
        for sales in ((), (SALE,))
    ]

    within = [
        sum(isinstance(e.event, Purchase) and SALE.from_ms <= e.at_ms < SALE.until_ms for e in traffic)
        for traffic in bought
    ]
    assert within[1] == pytest.approx(2.5 * within[0], rel=0.1)


def test_a_scenario_expects_the_clicks_of_its_sale_and_moves_it_along() -> None:
    scenario = Scenario(1, START_MS, 24 * HOUR_MS, 1.0, robot_share=0.2, sales=[SALE])

    assert scenario.expected_clicks == 24 * 3600 + round(0.8 * 1.5 * 8 * 3600)
    assert scenario.starting_at(START_MS + 5).sales == [Sale(SALE.from_ms + 5, SALE.until_ms + 5, 2.5)]


def test_a_sale_is_written_as_start_duration_and_factor() -> None:
    assert parse_sale("5d+1d:2", 1000) == Sale(1000 + 120 * HOUR_MS, 1000 + 144 * HOUR_MS, 2)
    assert parse_sale("90m+1.5h:1.25", 0) == Sale(90 * 60_000, 3 * HOUR_MS, 1.25)


@pytest.mark.parametrize("text", ["", "5d", "5d+1d", "5d+1d:", "5+1:2", "5d+1d:-2", "5d-1d:2", "5d+1d:2x"])
def test_what_is_no_sale_is_told_with_the_form(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"is no sale; expected start\+duration:factor"):
        parse_sale(text, START_MS)


@pytest.mark.parametrize(
    ("sale", "says"),
    [
        (Sale(START_MS, START_MS, 2), "brings nobody"),
        (Sale(START_MS, START_MS + 1, 1), "brings nobody"),
        (Sale(START_MS - 1, START_MS + 1, 2), "the simulation lasts 60 s"),
        (Sale(START_MS, START_MS + 60_001, 2), "the simulation lasts 60 s"),
    ],
)
def test_a_sale_that_cannot_be_is_refused_at_once(sale: Sale, says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        simulate(1, START_MS, 60_000, 1, sales=(sale,))
