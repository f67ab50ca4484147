"""What every feature store promises: one suite, run on the reference and on Redis."""

import numpy as np
import pytest
from msgspec.structs import replace

from contracts.ports import CountCall, Counted, Recall, RefusedCount
from features.answers import ANSWER, ANSWER_BYTES, UNSEEN_ANSWER, split_answers
from features.layout import STORED_ANSWERS_MOST
from tests.builders import START_MS, click
from tests.features.clicks import call_of, clicks_at
from tests.features.conftest import AnyStore, OpenStore, states_of
from tests.features.oracles import HOUR_MS, IDLE_MS

CALL_CLICKS = 200


async def counted(store: AnyStore, call: CountCall) -> bytes:
    outcome = await store.count(call)
    assert isinstance(outcome, Counted)
    return outcome.answers


async def test_an_empty_store_knows_no_partition(open_store: OpenStore) -> None:
    async with open_store() as store:
        assert await store.watermarks([0, 7]) == [None, None]
        assert await store.watermarks([]) == []
        assert await store.recall(0) == Recall(None, {})


async def test_a_call_is_answered_click_by_click_and_advances_its_partition_only(open_store: OpenStore) -> None:
    async with open_store() as store:
        answers = await counted(store, call_of(clicks_at(0, 1, 2), first=5))

        read = np.frombuffer(answers, ANSWER)
        assert [list(counts[:4]) for counts in read["account"]] == [[1.0] * 4, [2.0] * 4, [3.0] * 4]
        assert list(read["ip_ua"][:, 4]) == [-1.0, 1.0, 1.0]
        assert await store.watermarks([0, 1]) == [7, None]


async def test_entities_of_one_call_are_counted_apart(open_store: OpenStore) -> None:
    clicks = [
        click(user_id="a", session_id="s1", ip="192.0.2.1"),
        click(user_id="b", session_id="s2", ip="192.0.2.1", user_agent="another"),
        click(user_id="a", session_id="s1", ip="192.0.2.2", campaign_id="another"),
        click(user_id=None, session_id="s3", ip="192.0.2.1"),
    ]

    async with open_store() as store:
        read = np.frombuffer(await counted(store, call_of(clicks)), ANSWER)

    assert list(read["account"][:, 0]) == [1, 1, 2, 1]
    assert list(read["session"][:, 0]) == [1, 1, 2, 1]
    assert list(read["account_campaign"][:, 0]) == [1, 1, 1, 1]
    assert list(read["ip"][:, 0]) == [1, 2, 1, 3]
    assert list(read["ip_ua"][:, 0]) == [1, 1, 1, 2]
    assert read["ip_occupied"].tolist() == [[1, 1, 1, 1], [2, 2, 2, 2], [1, 1, 1, 1], [3, 3, 2, 2]]
    assert read["account_occupied"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 1], [2, 2, 2, 2], [1, 1, 1, 1]]


@pytest.mark.parametrize("expected", [None, 1, 3, 99])
async def test_a_call_that_expects_another_watermark_changes_nothing(
    open_store: OpenStore, expected: int | None
) -> None:
    """
    counted up to 2;  expected: nothing, less, more, far more
    """
    async with open_store() as store:
        await counted(store, call_of(clicks_at(0, 1, 2)))
        before = await states_of(store), await store.recall(0)

        outcome = await store.count(call_of(clicks_at(3), first=3, expected=expected, acknowledged=2))

        assert outcome == RefusedCount(2)
        assert (await states_of(store), await store.recall(0)) == before


async def test_lost_state_is_noticed_by_a_call_that_expects_some(open_store: OpenStore) -> None:
    async with open_store() as store:
        assert await store.count(call_of(clicks_at(0), first=100, expected=99)) == RefusedCount(None)
        assert await store.watermarks([0]) == [None]


async def test_calls_behind_a_refused_one_are_refused_too(open_store: OpenStore) -> None:
    """
    watermark 1:  A expects 0 (refused)   B expects 3 (A's end: refused)   C expects 1 (counted)
    """
    async with open_store() as store:
        await counted(store, call_of(clicks_at(0, 1)))

        calls = [
            store.count(call_of(clicks_at(2, 3), first=2, expected=0)),
            store.count(call_of(clicks_at(4), first=4, expected=3)),
            store.count(call_of(clicks_at(2, 3), first=2, expected=1)),
        ]
        outcomes = [await call for call in calls]

        assert outcomes[:2] == [RefusedCount(1), RefusedCount(1)]
        assert isinstance(outcomes[2], Counted)
        assert await store.watermarks([0]) == [3]


async def test_calls_are_carried_out_in_the_order_in_which_they_were_made(open_store: OpenStore) -> None:
    async with open_store() as store:
        first = store.count(call_of(clicks_at(0)))
        second = store.count(call_of(clicks_at(1), first=1, expected=0))
        watermarks = store.watermarks([0])

        assert await watermarks == [1]
        assert isinstance(await second, Counted)
        assert isinstance(await first, Counted)


async def test_the_first_call_may_count_from_before_the_first_offset(open_store: OpenStore) -> None:
    async with open_store() as store:
        await store.count(CountCall(0, None, -1, -1, [], []))

        assert await store.watermarks([0]) == [-1]
        assert isinstance(await store.count(call_of(clicks_at(0), expected=-1)), Counted)


async def test_a_call_without_clicks_only_advances_the_watermark(open_store: OpenStore) -> None:
    async with open_store() as store:
        outcome = await store.count(CountCall(0, None, 41, 10, [], []))

        assert outcome == Counted(b"")
        assert await store.recall(0) == Recall(41, {})
        assert await states_of(store) == {}


async def test_stored_answers_are_recalled_by_offset_byte_for_byte(open_store: OpenStore) -> None:
    async with open_store() as store:
        first = await counted(store, call_of(clicks_at(0, 1), first=10, expected=None))
        second = await counted(store, CountCall(0, 11, 20, -1, clicks_at(2, 3), [14, 19]))

        recall = await store.recall(0)

        assert recall.watermark == 20
        assert recall.answers == dict(zip([10, 11, 14, 19], split_answers(first + second), strict=True))
        assert await store.recall(1) == Recall(None, {})


async def test_answers_are_kept_until_their_call_is_acknowledged(open_store: OpenStore) -> None:
    """
    calls     0-1      2-3      4-5
    acknowledged up to 1 with the third, up to 4 with the fourth: one of its offsets is still open
    """
    async with open_store() as store:
        await store.count(call_of(clicks_at(0, 1)))
        await store.count(call_of(clicks_at(2, 3), first=2, expected=1))
        await store.count(call_of(clicks_at(4, 5), first=4, expected=3, acknowledged=1))
        assert list((await store.recall(0)).answers) == [2, 3, 4, 5]

        await store.count(call_of(clicks_at(6), first=6, expected=5, acknowledged=4))

        assert list((await store.recall(0)).answers) == [4, 5, 6]


async def test_what_was_acknowledged_before_it_is_counted_again_is_not_stored(open_store: OpenStore) -> None:
    async with open_store() as store:
        await store.count(call_of(clicks_at(0, 1), acknowledged=1))
        assert await store.recall(0) == Recall(1, {})

        await store.count(call_of(clicks_at(2, 3), first=2, expected=1, acknowledged=2))

        assert list((await store.recall(0)).answers) == [2, 3]


async def test_stored_answers_are_bounded_and_the_oldest_call_goes_first(open_store: OpenStore) -> None:
    calls = STORED_ANSWERS_MOST // CALL_CLICKS + 2
    clicks = clicks_at(*range(CALL_CLICKS))
    async with open_store() as store:
        for n in range(calls):
            first = n * CALL_CLICKS
            await counted(store, call_of(clicks, first=first, expected=first - 1 if n else None))

        stored = list((await store.recall(0)).answers)

        assert stored == list(range(2 * CALL_CLICKS, calls * CALL_CLICKS))
        assert len(stored) <= STORED_ANSWERS_MOST


async def test_partitions_keep_watermarks_and_answers_of_their_own_and_share_counters(open_store: OpenStore) -> None:
    async with open_store() as store:
        await counted(store, call_of(clicks_at(0)))
        answers = await counted(store, call_of(clicks_at(1), first=70, partition=12))

        assert await store.watermarks([12, 0]) == [70, 0]
        assert list((await store.recall(12)).answers) == [70]
        assert np.frombuffer(answers, ANSWER)["ip"][0, 0] == 2.0


async def test_peeking_answers_from_the_current_state_and_changes_nothing(open_store: OpenStore) -> None:
    async with open_store() as store:
        await counted(store, call_of(clicks_at(0, 1)))
        before = await states_of(store), await store.recall(0)

        read = np.frombuffer(await store.peek([*clicks_at(3, 0.5, 3), click(user_id="new", ip="192.0.2.9")]), ANSWER)

        assert list(read["account"][:, 0]) == [2, 2, 2, 0]
        assert list(read["account"][:, 4]) == [2, 0.5, 2, -1]
        assert list(read["ip"][:, 3]) == [2, 2, 2, 0]
        assert (await states_of(store), await store.recall(0)) == before


async def test_peeking_far_ahead_or_into_nothing_sees_what_was_never_there(open_store: OpenStore) -> None:
    ahead = click(clicked_at_ms=START_MS + IDLE_MS)

    async with open_store() as store:
        assert await store.peek([ahead]) == UNSEEN_ANSWER
        await counted(store, call_of(clicks_at(0, 1)))
        assert await store.peek([ahead]) == UNSEEN_ANSWER
        assert await store.peek([]) == b""


async def test_a_far_future_click_leaves_what_comes_after_it_late_and_uncounted(open_store: OpenStore) -> None:
    async with open_store() as store:
        answers = await counted(store, call_of([*clicks_at(0), *clicks_at(2 * IDLE_MS / 1_000), *clicks_at(1)]))

    read = np.frombuffer(answers, ANSWER)["account"]
    assert read[:, :4].tolist() == [[1.0] * 4] * 3
    assert list(read[:, 4]) == [-1.0, -1.0, 2 * IDLE_MS / 1_000 - 1]


async def test_windows_forget_within_a_call_as_between_calls(open_store: OpenStore) -> None:
    clicks = clicks_at(0, 90, 700, 4_300, 25 * HOUR_MS / 1_000)
    others = [replace(one, user_id="b", session_id="b", ip="192.0.2.9") for one in clicks]

    async with open_store() as store:
        together = await counted(store, call_of(clicks))
        alone = [
            await counted(store, call_of([one], first=n, expected=n - 1 if n else None, partition=1))
            for n, one in enumerate(others)
        ]

    assert b"".join(alone) == together
    assert len(together) == len(clicks) * ANSWER_BYTES
