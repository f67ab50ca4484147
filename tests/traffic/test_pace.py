"""Open loop: send times are fixed beforehand, and lateness does not pile up."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from traffic.pace import Lateness, Schedule, on_time


class FakeTime:
    """A clock that only sleeping, and work, moves on."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def run(
    at_ms: list[int], work_s: list[float], speed: float = 1.0, stopped: Callable[[], bool] = lambda: False
) -> tuple[list[float], Lateness]:
    """When each item was sent, in seconds from the start, if sending the i-th takes `work_s[i]`."""
    fake, lateness, sent_s = FakeTime(), Lateness(), []
    schedule = Schedule(origin_ms=at_ms[0], start_s=fake.now_s, speed=speed)
    due = on_time(range(len(at_ms)), at_ms.__getitem__, schedule, lateness, stopped, fake.clock, fake.sleep)
    for i in due:
        sent_s.append(round(fake.now_s - 100.0, 6))
        fake.now_s += work_s[i]
    return sent_s, lateness


def test_a_late_send_is_made_at_once_and_the_next_is_on_time_again() -> None:
    sent_s, lateness = run([0, 1000, 2000, 3000, 4000], work_s=[0, 1.5, 0, 0, 0])

    assert sent_s == [0, 1, 2.5, 3, 4]
    assert lateness.worst_ms == 500


def test_a_multiple_of_the_original_speed_divides_all_times() -> None:
    sent_s, _ = run([5_000, 65_000, 125_000], work_s=[0, 0, 0], speed=60)

    assert sent_s == [0, 1, 2]


def test_it_ends_when_it_is_stopped_even_while_it_waits() -> None:
    answers = iter([False, False, False, True])

    sent_s, _ = run([0, 1000, 10**9], work_s=[0.0, 0.0, 0.0], stopped=lambda: next(answers))

    assert sent_s == [0]


def test_quantiles_of_lateness_are_those_of_the_sorted_list() -> None:
    lateness = Lateness()
    for late_ms in [0] * 98 + [40, 90]:
        lateness.add(late_ms / 1000 + 1e-9)

    assert (lateness.quantile_ms(0.5), lateness.quantile_ms(0.99), lateness.worst_ms) == (0, 40, 90)


def test_nothing_sent_is_never_late() -> None:
    assert (Lateness().quantile_ms(0.99), Lateness().worst_ms) == (0, 0)


@given(st.lists(st.tuples(st.integers(0, 3000), st.floats(0, 2)), min_size=1, max_size=30))
def test_no_send_is_early_and_none_waits_for_more_than_its_time_or_the_work_before_it(
    steps: list[tuple[int, float]],
) -> None:
    at_ms = [sum(gap for gap, _ in steps[: i + 1]) for i in range(len(steps))]
    work_s = [work for _, work in steps]

    sent_s, _ = run(at_ms, work_s)

    due_s = [(at - at_ms[0]) / 1000 for at in at_ms]
    free_s = [0.0, *(sent + work for sent, work in zip(sent_s, work_s, strict=True))]
    assert all(abs(sent - max(due, free)) < 1e-3 for sent, due, free in zip(sent_s, due_s, free_s, strict=False))
