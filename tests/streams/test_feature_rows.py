"""Rows reach the feature log in order and without gaps, in fewer batches than chunks; never mixed over lanes."""

import asyncio
from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.dead_letters import ParkedShare
from streams.feature_rows import ENOUGH_ROWS, FeatureRows, Rows, ShadowRows
from streams.lane import Chunk, Lane, StartPoint, Tails
from tests.builders import decision


def new_lane(partition: int) -> Lane:
    return Lane(StartPoint(partition, 0, Tails()), ParkedShare(0.2))


def rows(first: int, count: int, release: str = "r1", shadow: str | None = None) -> Rows:
    offsets = range(first, first + count)
    return Rows(
        [decision(source_offset=offset, model_version=release) for offset in offsets],
        np.array([[offset] * 3 for offset in offsets], np.float32),
        [b"%16d" % offset for offset in offsets],
        [offset % 2 for offset in offsets],
        shadow and ShadowRows(shadow, [offset / 8 for offset in offsets], ["invalid"] * count),
    )


async def wait_for(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


def offsets(written: Rows) -> list[int]:
    return [found.source_offset for found in written.decisions]


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 200), st.sampled_from(["r1", "r2"]), st.sampled_from(["s", None])),
        max_size=30,
    )
)
def test_every_row_is_written_once_in_order_with_its_own_lane_and_releases(
    added: list[tuple[int, int, str, str | None]],
) -> None:
    lanes = [new_lane(partition) for partition in range(3)]
    given_chunks: dict[Lane, list[Chunk]] = {lane: [] for lane in lanes}
    written: dict[Lane, list[Rows]] = {lane: [] for lane in lanes}
    written_chunks: dict[Lane, list[Chunk]] = {lane: [] for lane in lanes}

    def write(chunks: Sequence[Chunk], found: Rows) -> None:
        (lane,) = {chunk.lane for chunk in chunks}
        written[lane].append(found)
        written_chunks[lane] += chunks

    async def add_all() -> None:
        gathered = FeatureRows(write)
        handing_on = asyncio.create_task(gathered.hand_on())
        next_offset = dict.fromkeys(lanes, 0)
        for partition, count, release, shadow in added:
            lane = lanes[partition]
            chunk = Chunk(lane, [])
            given_chunks[lane].append(chunk)
            gathered.add(chunk, rows(next_offset[lane], count, release, shadow))
            next_offset[lane] += count
        await wait_for(lambda: written_chunks == given_chunks)
        handing_on.cancel()

    asyncio.run(add_all())

    for lane in lanes:
        total = sum(count for partition, count, *_ in added if lanes[partition] is lane)
        shadowed = [shadow for partition, count, _, shadow in added if lanes[partition] is lane for _ in range(count)]
        assert [offset for found in written[lane] for offset in offsets(found)] == list(range(total))
        for found in written[lane]:
            assert {one.model_version for one in found.decisions} == {found.releases[0]}
            assert {shadowed[offset] for offset in offsets(found)} == {found.releases[1]}
            if found.shadow:
                assert [score * 8 for score in found.shadow.scores] == offsets(found)
                assert len(found.shadow.verdicts) == len(found.decisions)
            assert found.features[:, 0].tolist() == offsets(found)
            assert [int(digest) for digest in found.account_hashes] == offsets(found)
            assert list(found.flags) == [offset % 2 for offset in offsets(found)]


def test_rows_that_stand_already_are_left_out_of_every_column() -> None:
    left = rows(10, 5, shadow="s").above(3)

    assert offsets(left) == [13, 14]
    assert left.shadow == ShadowRows("s", [13 / 8, 14 / 8], ["invalid"] * 2)


def test_a_backlog_does_not_wait_and_single_clicks_share_a_batch() -> None:
    lane = new_lane(0)
    written: list[int] = []

    async def add() -> list[int]:
        gathered = FeatureRows(lambda _, found: written.append(len(found.decisions)))
        gathered.add(Chunk(lane, []), rows(0, ENOUGH_ROWS))
        at_once = list(written)
        for offset in range(5):
            gathered.add(Chunk(lane, []), rows(ENOUGH_ROWS + offset, 1))
        handing_on = asyncio.create_task(gathered.hand_on())
        await wait_for(lambda: len(written) > 1)
        handing_on.cancel()
        return at_once

    assert asyncio.run(add()) == [ENOUGH_ROWS]
    assert written == [ENOUGH_ROWS, 5]
