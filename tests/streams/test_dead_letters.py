"""Parked records keep what is needed to judge and to retry them."""

import hashlib

from streams.dead_letters import MAX_PARKED_BYTES, ParkedShare, park
from streams.records import BadRecord
from tests.streams.fakes import FakeRecord


def test_a_small_record_is_parked_whole_with_its_place() -> None:
    value, headers = park(BadRecord(FakeRecord(9, b"no click", 123), "$.ip", "Expected `str`"), "eu-clicks", 3)

    assert value == b"no click"
    assert dict(headers) == {
        "reason": b"Expected `str`",
        "path": b"$.ip",
        "source-topic": b"eu-clicks",
        "source-partition": b"3",
        "source-offset": b"9",
        "source-timestamp-ms": b"123",
    }


def test_a_large_record_is_cut_and_described() -> None:
    payload = b"x" * (MAX_PARKED_BYTES + 1)

    value, headers = park(BadRecord(FakeRecord(0, payload), "$", "too long"), "clicks", 0)

    assert value == payload[:-1]
    assert dict(headers)["length-bytes"] == str(len(payload)).encode()
    assert dict(headers)["sha256"] == hashlib.sha256(payload).hexdigest().encode()


def test_a_bad_start_of_a_few_records_stops_nothing() -> None:
    share = ParkedShare(0.2)

    share.add(999, 999)
    assert not share.exceeded
    share.add(1, 1)

    assert share.exceeded


def test_old_records_drop_out_of_the_share() -> None:
    share = ParkedShare(0.2)
    share.add(5_000, 1_500)
    assert share.exceeded

    for _ in range(100):
        share.add(100, 0)

    assert share.ratio == 0
    assert not share.exceeded
