"""What was used between two moments, per record and as a share of the machine."""

from itertools import count

from bench.cpu import MachineTimes
from bench.watch import Mark, spent, wait_for_pause


def mark(at_s: float, records: int, redis_s: float, loop_s: float, machine: MachineTimes) -> Mark:
    return Mark(at_s, records, {"redis": redis_s, "process": loop_s}, {"event loop": loop_s}, machine)


def test_the_difference_is_per_record() -> None:
    first = mark(10.0, 1_000, 1.0, 2.0, MachineTimes(100.0, 0.0, 200.0))
    last = mark(12.0, 3_000, 1.04, 2.1, MachineTimes(100.5, 0.2, 204.0))

    found = spent(first, last)

    assert (found.per_s, found.records) == (1_000.0, 2_000)
    assert found.cpu_us == {"redis": 20.0, "process": 50.0}
    assert found.threads_us == {"event loop": 50.0}


def test_what_is_neither_ours_nor_idle_was_used_by_others_or_stolen() -> None:
    first = mark(10.0, 0, 0.0, 0.0, MachineTimes(0.0, 0.0, 0.0))
    last = mark(12.0, 10, 0.5, 0.5, MachineTimes(3.0, 0.4, 4.0))

    found = spent(first, last)

    assert (found.busy_ratio, found.others_ratio, found.stolen_ratio) == (0.75, 0.5, 0.1)


def test_a_burst_is_over_when_nothing_has_come_for_a_while() -> None:
    #      burst         pause of 0.1 s        next burst
    # 1, 1, 2, 2, 5 | 5, 5, 5, 5, … 5, 5, 5 | 9
    counts = iter([1, 1, 2, 2, 5, *[5] * 12, 9])
    clock = count(0.0, 0.01)

    wait_for_pause(lambda: next(counts), 0.1, lambda: next(clock), lambda seconds: None)

    left = list(counts)
    assert left[0] == 5
    assert left[-1] == 9


def test_what_is_negligible_is_left_out() -> None:
    first = mark(0.0, 0, 0.0, 0.0, MachineTimes(0.0, 0.0, 0.0))
    last = mark(1.0, 1_000_000, 0.01, 1.0, MachineTimes(1.0, 0.0, 2.0))

    assert spent(first, last).cpu_us == {"process": 1.0}
