"""Send times are fixed beforehand, and each arrival is matched with its send."""

import msgspec
import numpy as np
import pytest

from bench.clicks import START_MS, draw_clicks, partition_of
from bench.latency import arrival_of_each
from bench.sender import make_plan
from bench.store import CALLS_AT_ONCE, calls_of
from contracts.events import Click
from tests.builders import click


def test_a_plan_keeps_the_distances_of_the_clicks() -> None:
    clicks = [click(clicked_at_ms=START_MS + at_ms) for at_ms in (0, 3, 3, 1_500)]

    plan = make_plan(clicks, partitions=4, start_s=50.0, start_ms=1_800_000_000_000)

    assert plan.due_s.tolist() == [50.0, 50.003, 50.003, 51.5]
    assert plan.at_ms == [1_800_000_000_000 + at_ms for at_ms in (0, 3, 3, 1_500)]


def test_a_click_says_that_it_was_made_when_it_was_due() -> None:
    plan = make_plan([click(clicked_at_ms=START_MS + 7, click_id="c")], 4, 50.0, 1_800_000_000_000)

    sent = msgspec.json.decode(plan.values[0], type=Click)

    assert sent == click(clicked_at_ms=1_800_000_000_007, click_id="c")


def test_clicks_are_drawn_in_time_order_and_as_many_as_asked_for() -> None:
    clicks = draw_clicks(2_000, seed=1, clicks_per_s=500.0)

    times = [each.clicked_at_ms for each in clicks]
    assert len(clicks) == 2_000
    assert times == sorted(times)
    assert 3_000 < times[-1] - START_MS < 5_000


def test_the_clicks_of_an_account_go_to_one_partition() -> None:
    assert len({partition_of(click(click_id=str(i)), 8) for i in range(20)}) == 1


def test_the_nth_arrival_of_a_partition_answers_the_nth_send_to_it() -> None:
    sent_to = np.array([0, 1, 0, 1])

    arrived_s = arrival_of_each(
        sent_to, np.array([1, 0, 1, 0]), np.array([0, 0, 1, 1]), np.array([10.0, 20.0, 30.0, 40.0])
    )

    assert arrived_s.tolist() == [20.0, 10.0, 40.0, 30.0]


def test_of_two_arrivals_the_first_stands() -> None:
    arrived_s = arrival_of_each(np.array([0]), np.array([0, 0]), np.array([0, 0]), np.array([10.0, 20.0]))

    assert arrived_s.tolist() == [10.0]


def test_a_record_that_never_came_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 of 2 records were not received"):
        arrival_of_each(np.array([0, 0]), np.array([0]), np.array([0]), np.array([1.0]))


def test_each_call_expects_the_watermark_that_the_one_before_it_leaves() -> None:
    calls = list(calls_of([click() for _ in range(10)], size=4))

    assert [(call.expected_watermark, call.watermark) for call in calls] == [(None, 3), (3, 7), (7, 9)]
    assert [list(call.offsets) for call in calls] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_what_may_be_under_way_is_not_acknowledged() -> None:
    calls = list(calls_of([click() for _ in range(2 * CALLS_AT_ONCE)], size=1))

    assert calls[CALLS_AT_ONCE - 1].acknowledged == -1
    assert calls[-1].acknowledged == CALLS_AT_ONCE - 2
