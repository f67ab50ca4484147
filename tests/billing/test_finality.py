"""Markers never lie, and readers agree on the hour of every click."""

import random

from hypothesis import given
from hypothesis import strategies as st

from billing.conservation import ClickPlace
from billing.finality import Finality, ended_hour, hour_end, is_decided, live_tail
from contracts.events import Decision, FinalityMarker
from tests.billing.logs import record
from tests.builders import decision

HOUR = 1_000


def marker(hour: int, clicks_end: int, partition: int = 0, decisions_end: int = 0) -> FinalityMarker:
    return FinalityMarker(partition, hour * HOUR, clicks_end, decisions_end, hour * HOUR + 5, (hour + 30) * HOUR)


def clicked(at_ms: int, offset: int, **fields: object) -> Decision:
    return decision(clicked_at_ms=at_ms, source_offset=offset, **fields)


class Partition:
    """One partition under workers that start, write, pause, wake up and die, each as the real ones promise."""

    def __init__(self, valid: list[bool]) -> None:
        self.clicks = [ClickPlace(0, offset, f"c{offset}" if good else None) for offset, good in enumerate(valid)]
        self.decisions: list[Decision] = []
        self._next_of_worker: list[int] = []

    def start_worker(self) -> None:
        self._next_of_worker.append(live_tail(self.decisions) + 1)

    def write(self, worker: int, records: int) -> None:
        """Some worker, perhaps one that was paused long ago, writes what it has under way."""
        for _ in range(records):
            offset = self._next_of_worker[worker]
            if offset == len(self.clicks):
                return
            if self.clicks[offset].click_id is not None:
                self.decisions.append(record(offset))
            self._next_of_worker[worker] += 1

    def correct(self, offset: int, revision: int) -> None:
        self.decisions.append(record(offset, revision=revision))

    def undecided(self, clicks_end: int) -> set[int]:
        decided = {found.source_offset for found in self.decisions if found.run == "live"}
        return {at for _, at, click_id in self.clicks[:clicks_end] if click_id is not None} - decided


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 2**32))
def test_a_marker_never_lies_whoever_is_killed_or_paused(valid: list[bool], seed: int) -> None:
    chance = random.Random(seed)
    partition = Partition(valid)
    partition.start_worker()
    for _ in range(40):
        event = chance.random()
        if event < 0.2:
            partition.start_worker()
        elif event < 0.3 and partition.decisions:
            partition.correct(chance.choice(partition.decisions).source_offset, chance.randint(1, 3))
        else:
            partition.write(chance.randrange(len(partition._next_of_worker)), chance.randint(1, 5))

        clicks_end = chance.randint(0, len(valid))
        read_back = chance.randint(0, 6)
        tail = live_tail(partition.decisions[len(partition.decisions) - read_back :])
        if is_decided(clicks_end, tail, partition.clicks[tail + 1 : clicks_end]):
            assert partition.undecided(clicks_end) == set()


def test_an_hour_is_closed_once_all_is_decided_though_it_ends_with_what_is_no_click() -> None:
    partition = Partition([True, True, False, False])
    partition.start_worker()

    partition.write(0, 1)
    before = is_decided(4, live_tail(partition.decisions), partition.clicks[1:4])
    partition.write(0, 1)

    assert not before
    assert is_decided(4, live_tail(partition.decisions), partition.clicks[2:4])


def test_the_first_marker_of_an_hour_counts() -> None:
    finality = Finality(HOUR)

    taken = [finality.apply(found) for found in (marker(1, 10), marker(1, 12), marker(3, 20), marker(2, 15))]

    assert taken == [True, False, True, False]
    assert finality.marker(0, 1 * HOUR) == marker(1, 10)
    assert finality.marker(0, 2 * HOUR) == marker(3, 20)
    assert finality.marker(0, 4 * HOUR) is None


def test_a_late_click_is_billed_with_the_hour_in_which_it_came() -> None:
    finality = Finality(HOUR)
    for found in (marker(1, 10), marker(2, 20)):
        finality.apply(found)

    assert finality.billed_with(clicked(500, 9)) == 1 * HOUR
    assert finality.billed_with(clicked(500, 10)) == 2 * HOUR
    assert finality.billed_with(clicked(500, 20)) is None  # the hour it came in is open
    assert finality.billed_with(clicked(2 * HOUR, 20)) == 3 * HOUR


@given(st.lists(st.integers(0, 5), max_size=5), st.integers(0, 4 * HOUR), st.integers(0, 30), st.integers(0, 5))
def test_once_closed_the_hour_of_a_click_never_changes(steps: list[int], at_ms: int, offset: int, more: int) -> None:
    finality, end = Finality(HOUR), 0
    for hour, step in enumerate(steps, start=1):
        end += step
        finality.apply(marker(hour, end))
    before = finality.billed_with(clicked(at_ms, offset))

    finality.apply(marker(len(steps) + 1, end + more))

    if before is not None and finality.marker(0, before) and before <= len(steps) * HOUR:
        assert finality.billed_with(clicked(at_ms, offset)) == before


def test_a_reader_has_all_of_an_hour_when_it_stands_behind_every_marker() -> None:
    finality = Finality(HOUR)
    finality.apply(marker(1, 10, partition=0, decisions_end=12))
    assert not finality.is_complete(HOUR, {0: 12, 1: 99})  # partition 1 is open

    finality.apply(marker(1, 7, partition=1, decisions_end=7))

    assert finality.is_complete(HOUR, {0: 12, 1: 7})
    assert not finality.is_complete(HOUR, {0: 11, 1: 7})
    assert finality.final_until_ms([0, 1]) == HOUR
    assert finality.final_until_ms([0, 1, 2]) is None


def test_a_correction_is_a_credit_from_the_date_of_its_hour_on() -> None:
    finality = Finality(HOUR)
    finality.apply(marker(1, 10))

    early, late = (clicked(500, 3, run="r1", revision=1, decided_at_ms=at_ms) for at_ms in (31 * HOUR - 1, 31 * HOUR))

    assert (finality.is_credit(early), finality.is_credit(late)) == (False, True)


def test_a_time_on_the_hour_begins_the_next_one_and_grace_holds_an_hour_back() -> None:
    assert [hour_end(at_ms, HOUR) for at_ms in (0, 999, 1000)] == [1000, 1000, 2000]
    assert [ended_hour(at_ms, 300, HOUR) for at_ms in (1299, 1300)] == [0, 1000]
