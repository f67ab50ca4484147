"""A lane hands every record on once, in order, whatever the feature store answers."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.ports import Recall
from streams.dead_letters import ParkedShare
from streams.lane import Chunk, Lane, LaneState, Piece, StartPoint, Tails
from tests.streams.fakes import FakeRecord


def records(first: int, last: int) -> list[FakeRecord]:
    return [FakeRecord(number) for number in range(first, last + 1)]


def new_lane(start: int = 0, watermark: int | None = None) -> Lane:
    lane = Lane(StartPoint(0, start, Tails()), ParkedShare(0.2))
    lane.begin_recovery()
    lane.resume(Recall(watermark, {}))
    return lane


def offsets(chunk: Chunk) -> list[int]:
    return [record.offset() for record in chunk.records]


def test_a_chunk_names_the_watermark_that_the_one_before_it_leaves() -> None:
    lane = new_lane(start=10, watermark=9)
    lane.receive(Piece(records(10, 19), 0.0))

    first, second = lane.take(4), lane.take(100)

    assert (first.expected_watermark, offsets(first)) == (9, [10, 11, 12, 13])
    assert (second.expected_watermark, offsets(second)) == (13, [14, 15, 16, 17, 18, 19])


def test_known_and_new_records_never_share_a_chunk() -> None:
    lane = new_lane(start=0, watermark=4)
    lane.receive(Piece(records(0, 9), 0.0))

    first, second = lane.take(100), lane.take(100)

    assert (first.known, offsets(first)) == (True, [0, 1, 2, 3, 4])
    assert (second.known, second.expected_watermark, offsets(second)) == (False, 4, [5, 6, 7, 8, 9])


def test_what_was_refused_comes_again_in_order_before_what_waits() -> None:
    lane = new_lane()
    lane.receive(Piece(records(0, 9), 0.0))
    first, second = lane.take(3), lane.take(3)

    lane.refused(first)
    assert lane.must_wait(second)
    lane.refused(second)
    assert lane.must_recover
    lane.begin_recovery()
    lane.resume(Recall(None, {}))

    assert offsets(lane.take(100)) == list(range(10))


def test_what_was_refused_while_the_store_was_away_is_decided_cold_as_soon_as_a_heal_goes_on() -> None:
    lane = new_lane(start=100, watermark=99)
    lane.receive(Piece(records(100, 109), 0.0))
    first, second = lane.take(4), lane.take(4)
    lane.refused(first)
    lane.refused(second)
    lane.begin_recovery()
    assert not lane.takeable(decide_while_cold=True)

    lane.heal_goes_on()
    away_again = lane.take(4)
    lane.refused(away_again)
    assert not lane.takeable(decide_while_cold=True)
    lane.heal_goes_on()

    assert lane.takeable(decide_while_cold=True)
    assert not lane.takeable(decide_while_cold=False)
    cold = lane.take(100)
    assert (cold.cold, offsets(cold)) == (True, list(range(100, 110)))
    assert not lane.must_wait(cold)


def test_a_heal_does_not_take_up_what_was_refused_while_more_is_still_to_be() -> None:
    lane = new_lane(start=100, watermark=99)
    lane.receive(Piece(records(100, 109), 0.0))
    first, second = lane.take(4), lane.take(4)
    lane.refused(first)

    lane.heal_goes_on()

    assert not lane.takeable(decide_while_cold=True)
    assert lane.must_wait(second)


def test_a_store_that_lost_state_leaves_a_gap_up_to_the_next_offset() -> None:
    lane = new_lane(start=100, watermark=99)

    assert lane.gap(None) == (None, 99)
    assert lane.gap(40) == (41, 99)
    assert lane.gap(99) is None
    assert lane.gap(150) is None


def test_chunks_finish_in_order_and_only_when_written_and_delivered() -> None:
    lane = new_lane()
    lane.receive(Piece(records(0, 5), 0.0))
    first, second = lane.take(3), lane.take(3)
    lane.answered(first)
    lane.answered(second)

    second.deliveries_left = 0
    assert (lane.finish(), lane.finished_offset) == (0, -1)
    first.deliveries_left = 0

    assert (lane.finish(), lane.finished_offset) == (6, 5)


def test_after_a_given_up_chunk_nothing_of_a_draining_lane_overtakes() -> None:
    lane = new_lane()
    lane.receive(Piece(records(0, 9), 0.0))
    first, second = lane.take(3), lane.take(3)

    assert lane.drain() == 4
    assert lane.refused(first) == 3
    assert lane.must_wait(second)


def test_a_release_decides_from_the_next_chunk_on_and_is_remembered_when_it_has() -> None:
    lane = new_lane(start=10, watermark=9)
    lane.receive(Piece(records(10, 30), 0.0))
    assert lane.release_from("a") == 10

    for release, size in (("a", 3), ("a", 3), ("b", 3), ("b", 3)):
        chunk = lane.take(size)
        lane.answered(chunk)
        lane.decided_by(release, chunk)

    assert (lane.release_from("b"), lane.release_from("c")) == (16, 22)


def test_too_many_bad_records_stop_a_lane() -> None:
    lane = new_lane()
    lane.receive(Piece(records(0, 9), 0.0))

    lane.parked.add(1_000, 300)

    assert not lane.takeable()


def drive(lane: Lane, pieces: Sequence[int], steps: Sequence[int]) -> list[int]:
    """Feed pieces, take chunks, let the store refuse some (a step of 0), and return the offsets decided."""
    decided: list[int] = []
    at = lane.next_offset
    for size in pieces:
        lane.receive(Piece(records(at, at + size - 1), 0.0))
        at += size
    watermark = lane.expected_watermark
    under_way: list[Chunk] = []
    for step in [*steps, *[7] * 200]:
        while lane.takeable() and len(under_way) < 2:
            under_way.append(lane.take(max(step, 1)))
        if not under_way:
            break
        chunk = under_way.pop(0)
        if step == 0 or lane.must_wait(chunk) or not (chunk.known or chunk.expected_watermark == watermark):
            lane.refused(chunk)
        else:
            watermark = watermark if chunk.known else chunk.last_offset
            lane.answered(chunk)
            decided += offsets(chunk)
        if lane.must_recover:
            lane.begin_recovery()
            lane.resume(Recall(watermark, {}))
    return decided


@settings(max_examples=300)
@given(
    known=st.integers(-1, 12),
    pieces=st.lists(st.integers(1, 9), min_size=1, max_size=8),
    steps=st.lists(st.integers(0, 9), max_size=30),
)
def test_every_record_is_decided_once_and_in_order(known: int, pieces: list[int], steps: list[int]) -> None:
    lane = new_lane(start=0, watermark=None if known < 0 else known)

    decided = drive(lane, pieces, steps)

    assert decided == list(range(sum(pieces)))
    assert lane.state is LaneState.READY
