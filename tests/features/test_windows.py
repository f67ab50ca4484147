"""One counter against brute force, whatever the order of its clicks."""

import random

from hypothesis import given
from hypothesis import strategies as st

from contracts.features import NO_GAP
from features.windows import WindowCounter
from tests.builders import START_MS
from tests.features.oracles import HOUR_MS, IDLE_MS, MINUTE_MS, times_ms, window_counts

MOST_TILES = 28


def counter_of(clicks_ms: list[int]) -> WindowCounter:
    counter = WindowCounter()
    for t_ms in clicks_ms:
        counter.count(t_ms)
    return counter


def state_of(counter: WindowCounter) -> tuple[int, list[tuple[int, int]]]:
    return counter.newest_ms, list(counter.tiles.items())


@given(st.lists(times_ms, min_size=1, max_size=60))
def test_each_answer_is_what_brute_force_counts_up_to_the_newest_click(clicks_ms: list[int]) -> None:
    counter = WindowCounter()

    answers = [counter.count(t_ms) for t_ms in clicks_ms]

    for n, answer in enumerate(answers, start=1):
        assert list(answer.clicks) == window_counts(clicks_ms[:n], max(clicks_ms[:n]))


@given(st.lists(times_ms, min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_the_order_of_the_clicks_leaves_no_trace(clicks_ms: list[int], rng: random.Random) -> None:
    shuffled = rng.sample(clicks_ms, len(clicks_ms))

    assert state_of(counter_of(shuffled)) == state_of(counter_of(clicks_ms))


@given(st.lists(times_ms, min_size=1, max_size=60))
def test_a_counter_never_has_more_than_seven_tiles_of_each_window(clicks_ms: list[int]) -> None:
    assert len(counter_of(clicks_ms).tiles) <= MOST_TILES


@given(st.lists(times_ms, min_size=1, max_size=30), st.integers(0, 100 * HOUR_MS))
def test_after_seven_of_the_longest_tiles_a_counter_equals_a_new_one(clicks_ms: list[int], later_ms: int) -> None:
    """
    last click |....|....|....|....|....|....|....| later click
                 k   k+1  k+2  k+3  k+4  k+5  k+6   k+7 or more
    """
    counter, new = counter_of(clicks_ms), WindowCounter()
    click_ms = max(clicks_ms) + IDLE_MS + later_ms

    answers = counter.count(click_ms), new.count(click_ms)

    assert answers[0] == answers[1]
    assert answers[0].gap_s == NO_GAP
    assert state_of(counter) == state_of(new)


@given(st.lists(times_ms, min_size=1, max_size=30), times_ms)
def test_peeking_answers_for_a_later_time_and_counts_nothing(clicks_ms: list[int], now_ms: int) -> None:
    counter = counter_of(clicks_ms)

    answer = counter.peek(now_ms)

    assert list(answer.clicks) == window_counts(clicks_ms, max(now_ms, *clicks_ms))
    assert state_of(counter) == state_of(counter_of(clicks_ms))


def test_the_gap_is_the_distance_to_the_newest_click_before_also_of_a_late_one() -> None:
    counter = WindowCounter()

    gaps_s = [counter.count(START_MS + offset_ms).gap_s for offset_ms in (0, 2_500, 1_000, 2_500, 62_500)]

    assert gaps_s == [NO_GAP, 2.5, 1.5, 0.0, 60.0]


def test_a_late_click_counts_in_its_own_tile() -> None:
    """
    |. . . . . . . .|. . . . . . .|. . . . . . x|    tiles of 10 s: x newest
          y                                          70 s earlier: gone from 1 min, within 10 min
    """
    counter = counter_of([START_MS + 70_000])

    answer = counter.count(START_MS)

    assert answer.clicks == (1.0, 2.0, 2.0, 2.0)


def test_a_click_older_than_the_longest_tiles_changes_nothing() -> None:
    counter = counter_of([START_MS + IDLE_MS])

    answer = counter.count(START_MS)

    assert answer.clicks == (1.0, 1.0, 1.0, 1.0)
    assert state_of(counter) == state_of(counter_of([START_MS + IDLE_MS]))


def test_a_window_at_random_times_is_off_by_about_2_percent() -> None:
    rng = random.Random(1)
    clicks_ms = sorted(START_MS + rng.randrange(8 * HOUR_MS) for _ in range(8 * 60))
    counter = WindowCounter()

    answers = [counter.count(t_ms).clicks[2] for t_ms in clicks_ms]

    exact = [sum(t_ms - HOUR_MS < other_ms <= t_ms for other_ms in clicks_ms) for t_ms in clicks_ms]
    settled = [(a, e) for a, e, t_ms in zip(answers, exact, clicks_ms, strict=True) if t_ms > START_MS + 70 * MINUTE_MS]
    mean_error = sum(abs(a - e) / e for a, e in settled) / len(settled)
    assert 0.005 < mean_error < 0.03
