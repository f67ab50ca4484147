"""Where a worker begins, and when it must not."""

import pytest

from contracts.errors import Misconfigured
from streams.start_points import check_start, start_offset


@pytest.mark.parametrize(
    ("decisions", "rows", "commit", "expected"),
    [
        (None, None, None, 5),  # nothing yet: the start of the log
        (None, None, 40, 40),  # outputs have expired: the commit
        (99, 99, 90, 100),  # the outputs, not the commit
        (99, 97, 100, 98),  # died between decisions and feature log
        (99, None, None, 5),  # the very first feature-log record never arrived
        (99, None, 60, 60),
    ],
)
def test_the_lowest_output_says_where_to_begin(
    decisions: int | None, rows: int | None, commit: int | None, expected: int
) -> None:
    assert start_offset(decisions, rows, commit, low=5) == expected


def test_a_start_within_the_log_is_accepted() -> None:
    for start in (10, 15, 20):
        check_start(0, start, 10, 20, "id", "id")


@pytest.mark.parametrize(
    ("start", "logged_id", "says"),
    [
        (9, "id", "expired"),
        (21, "id", "recreated or cut"),
        (15, "other", "was recreated"),
    ],
)
def test_a_start_that_would_skip_or_confuse_clicks_is_refused(start: int, logged_id: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        check_start(3, start, 10, 20, logged_id, "id")
