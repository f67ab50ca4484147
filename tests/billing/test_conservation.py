"""Conservation counts what it claims to, on hand-made logs and on any log."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from billing.conservation import ClickPlace, Counts, check_conservation
from contracts.events import LIVE
from tests.billing.logs import Log, interleaved, oracle, partition_logs, record


def test_a_log_in_order_holds() -> None:
    clicks = [ClickPlace(0, 0, "a"), ClickPlace(0, 1, "b"), ClickPlace(1, 0, "c")]
    decisions = [(0, record(0, "a")), (0, record(1, "b")), (1, record(0, "c", partition=1))]

    found = check_conservation(clicks, decisions)

    assert found.holds
    assert found.partitions == {0: Counts(clicks=2, decisions=2), 1: Counts(clicks=1, decisions=1)}
    assert found.total == Counts(clicks=3, decisions=3)


def test_the_example_of_the_docstring_counts_as_it_says() -> None:
    clicks = [ClickPlace(0, offset, i) for offset, i in enumerate(["a", "b", None, "a", "c"])]
    decisions = [(0, record(offset, i)) for offset, i in [(0, "a"), (1, "b"), (0, "a"), (3, "a")]]

    found = check_conservation(clicks, decisions)

    assert found.total == Counts(clicks=4, decisions=3, missing=1, duplicates=1, repeated_click_ids=1)
    assert found.missing_places == [(0, 4)]
    assert not found.holds


def test_a_decision_that_the_rule_drops_because_it_came_out_of_order_is_missing() -> None:
    clicks = [ClickPlace(0, 0, "a"), ClickPlace(0, 1, "b")]

    found = check_conservation(clicks, [(0, record(1, "b")), (0, record(0, "a"))])

    assert found.missing_places == [(0, 0)]
    assert found.total.conflicting == 1


def test_duplicates_conflict_only_if_they_say_something_else_than_the_first() -> None:
    clicks = [ClickPlace(0, 0, "a"), ClickPlace(0, 1, "b")]
    log = [record(0, "a"), record(1, "b"), record(0, "a"), record(1, "b", verdict="invalid")]

    found = check_conservation(clicks, [(0, decided) for decided in log])

    assert (found.total.duplicates, found.total.conflicting) == (2, 1)


def test_the_time_of_decision_is_no_conflict() -> None:
    first = record(0, "a")
    again = replace(first, decided_at_ms=first.decided_at_ms + 900)

    found = check_conservation([ClickPlace(0, 0, "a")], [(0, first), (0, again)])

    assert (found.total.duplicates, found.total.conflicting) == (1, 0)


def test_decisions_on_bad_records_on_nothing_and_on_another_click_are_unexpected() -> None:
    clicks = [ClickPlace(0, 0, "a"), ClickPlace(0, 1, None)]
    log = [record(0, "x"), record(1, "b"), record(2, "c")]

    found = check_conservation(clicks, [(0, decided) for decided in log])

    assert found.unexpected_places == [(0, 0), (0, 1), (0, 2)]
    assert found.total == Counts(clicks=1, missing=1, unexpected=3)


def test_a_decision_in_another_partition_than_it_names_is_unexpected() -> None:
    found = check_conservation([ClickPlace(0, 0, "a")], [(0, record(0, "a", partition=1))])

    assert found.total == Counts(clicks=1, missing=1, unexpected=1)


def test_a_correction_is_no_live_decision() -> None:
    found = check_conservation([ClickPlace(0, 0, "a")], [(0, record(0, "a", revision=5))])

    assert found.total == Counts(clicks=1, missing=1, corrections=1)


@given(partition_logs(), st.integers(0, 1_000_000))
def test_decisions_less_repetitions_are_the_clicks_on_the_bill(logs: list[Log], seed: int) -> None:
    places = {(r.source_partition, r.source_offset, r.click_id) for log in logs for r in log if r.run == LIVE}
    clicks = [ClickPlace(*place) for place in sorted(places)]

    found = check_conservation(clicks, [(r.source_partition, r) for r in interleaved(logs, seed)])

    assert found.total.missing == found.total.unexpected == 0
    assert found.total.decisions - found.total.repeated_click_ids == len(oracle(logs))
    assert found.total.duplicates + found.total.decisions + found.total.corrections == sum(map(len, logs))
