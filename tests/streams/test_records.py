"""What is a click, what is not, and what is too late or too early to be counted."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.feature_log import Flag
from contracts.features import FUTURE_BOUND_MS, LONGEST_WINDOW_MS
from streams.records import decode_clicks, lateness_flag
from tests.builders import START_MS, click
from tests.streams.fakes import FakeRecord

GOOD = msgspec.json.encode(click())


def test_bad_records_are_returned_with_path_and_reason_and_good_ones_around_them_kept() -> None:
    bad = GOOD.replace(b'"cost_micros":250000', b'"cost_micros":"x"')

    decoded = decode_clicks([FakeRecord(4, GOOD), FakeRecord(5, bad), FakeRecord(7, GOOD)])

    assert decoded.offsets == [4, 7]
    (entry,) = decoded.bad
    assert (entry.record.offset(), entry.path) == (5, "$.cost_micros")
    assert "Expected `int`" in entry.reason


@given(st.binary(max_size=200) | st.text(max_size=50).map(str.encode))
def test_no_bytes_raise(value: bytes) -> None:
    decoded = decode_clicks([FakeRecord(0, value)])

    assert len(decoded.clicks) + len(decoded.bad) == 1


@given(cut=st.integers(0, len(GOOD) - 1))
def test_a_truncated_click_is_bad(cut: int) -> None:
    assert decode_clicks([FakeRecord(0, GOOD[:cut])]).bad


@pytest.mark.parametrize(
    ("age_ms", "flag"),
    [
        (0, 0),
        (LONGEST_WINDOW_MS, 0),
        (LONGEST_WINDOW_MS + 1, Flag.UNCOUNTED_LATE),
        (-FUTURE_BOUND_MS, 0),
        (-FUTURE_BOUND_MS - 1, Flag.UNCOUNTED_FUTURE),
    ],
)
def test_lateness_is_measured_against_the_kafka_timestamp(age_ms: int, flag: int) -> None:
    assert lateness_flag(START_MS - age_ms, START_MS) == flag
    decoded = decode_clicks([FakeRecord(0, msgspec.json.encode(click(clicked_at_ms=START_MS - age_ms)), START_MS)])
    assert decoded.flags == [flag]
    assert len(decoded.counted()[0]) == (flag == 0)
