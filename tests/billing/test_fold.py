"""The reader's rule, case by case and against the oracle."""

from hypothesis import given
from hypothesis import strategies as st

from billing.fold import CHANGES_THE_BILL, Deduplicator, Effect, Fold, effect, rank
from contracts.events import Decision
from tests.billing.logs import Log, interleaved, oracle, partition_logs, record


def test_a_new_click_is_billed_and_its_late_duplicate_changes_nothing() -> None:
    fold = Fold()

    effects = [fold.apply(0, record(offset)) for offset in (7, 8, 9, 8, 9, 10)]

    billed, dropped = Effect.BILLED, Effect.DUPLICATE
    assert effects == [billed, billed, billed, dropped, dropped, billed]


def test_one_integer_a_partition_and_run_tells_what_is_new() -> None:
    rule = Deduplicator({0: {"live": 7}})

    admitted = [rule.admit(0, record(offset)) for offset in (7, 8, 8, 7, 9)]

    assert admitted == [False, True, False, False, True]
    assert rule.admit(1, record(3, partition=1))
    assert rule.admit(0, record(3, revision=2))
    assert rule.last_source_offsets(0) == {"live": 9, "replay-2": 3}


def test_a_duplicate_that_disagrees_does_not_change_the_verdict() -> None:
    fold = Fold()
    fold.apply(0, record(7, "a", verdict="valid"))

    fold.apply(0, record(7, "a", verdict="invalid"))

    assert fold.effective["a"].verdict == "valid"


def test_runs_have_offsets_of_their_own_and_the_highest_revision_wins() -> None:
    fold = Fold()

    effects = [fold.apply(0, record(7, "a", revision=revision)) for revision in (0, 9, 4, 9)]

    assert effects == [Effect.BILLED, Effect.CORRECTED, Effect.SUPERSEDED, Effect.DUPLICATE]
    assert fold.effective["a"].revision == 9


def test_a_click_id_at_two_offsets_is_billed_once_at_the_first() -> None:
    fold = Fold()

    effects = [fold.apply(0, record(7, "a")), fold.apply(0, record(8, "a", verdict="invalid"))]

    assert effects == [Effect.BILLED, Effect.REPEATED_CLICK_ID]
    assert fold.effective["a"].source_offset == 7


def test_a_correction_of_the_unbilled_repetition_changes_nothing() -> None:
    fold = Fold()
    for live in (record(7, "a"), record(8, "a")):
        fold.apply(0, live)

    outcome = fold.apply(0, record(8, "a", revision=3))

    assert outcome is Effect.REPEATED_CLICK_ID
    assert fold.effective["a"].revision == 0


def test_a_click_id_in_two_partitions_stands_in_the_lower_one_whichever_is_read_first() -> None:
    low, high = record(5, "a", partition=1), record(2, "a", partition=3)
    upwards, downwards = Fold(), Fold()

    up = [upwards.apply(1, low), upwards.apply(3, high)]
    down = [downwards.apply(3, high), downwards.apply(1, low)]

    assert up == [Effect.BILLED, Effect.REPEATED_CLICK_ID]
    assert down == [Effect.BILLED, Effect.CORRECTED]
    assert upwards.effective == downwards.effective == {"a": low}


def test_the_example_of_the_docs_comes_out_as_they_say() -> None:
    fold = Fold()
    live = [record(offset, click_id) for offset, click_id in [(7, "a"), (8, "b"), (9, "c"), (10, "d")]]
    live[1] = record(8, "b", verdict="invalid")
    log = [*live, live[1], live[2], record(11, "b"), record(8, "b", revision=4)]

    effects = [fold.apply(0, found) for found in log]

    assert [str(found) for found in effects] == [
        "billed", "billed", "billed", "billed", "duplicate", "duplicate", "repeated_click_id", "corrected",
    ]  # fmt: skip
    assert {i: found.verdict for i, found in fold.effective.items()} == dict.fromkeys("abcd", "valid")


@given(partition_logs(), st.integers(0, 1_000_000))
def test_every_interleaving_ends_with_the_oracles_bill(logs: list[Log], seed: int) -> None:
    fold = Fold()

    for found in interleaved(logs, seed):
        fold.apply(found.source_partition, found)

    assert fold.effective == oracle(logs)


@given(partition_logs(), st.integers(0, 1_000_000))
def test_the_effects_alone_are_enough_to_keep_the_bill(logs: list[Log], seed: int) -> None:
    fold, bill = Fold(), dict[str, Decision]()

    for found in interleaved(logs, seed):
        if fold.apply(found.source_partition, found) in CHANGES_THE_BILL:
            bill[found.click_id] = found

    assert bill == oracle(logs)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(-2, 0)), min_size=1))
def test_what_stands_is_the_smallest_rank_in_any_order(ranks: list[tuple[int, int, int]]) -> None:
    standing = None

    for new in ranks:
        standing = new if effect(standing, new) in CHANGES_THE_BILL else standing

    assert standing == min(ranks)


def test_the_rank_puts_the_earlier_place_first_and_there_the_higher_revision() -> None:
    records = [record(8), record(7), record(7, revision=2), record(0, partition=1)]

    assert [(r.source_offset, r.revision) for r in sorted(records, key=rank)] == [(7, 2), (7, 0), (8, 0), (0, 0)]
