"""A feature-log message gives back what was written, bit for bit, with any number of features and rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import feature_log
from contracts.errors import BadInput
from contracts.events import Decision
from contracts.feature_log import SCHEMA_HEADER, Flag, decode, encode, schema_id
from contracts.features import FEATURE_IDS
from contracts.ports import FloatMatrix
from tests.builders import decision

Floats = np.ndarray[Any, np.dtype[np.float32]]
Message = tuple[list[Decision], FloatMatrix, list[bytes], Floats, list[int], tuple[Floats, list[str]] | None]


def float32_bits(seed: int, shape: Sequence[int]) -> Floats:
    """Any bits at all, NaNs and infinities among them: the log may not change one."""
    bits = np.random.default_rng(seed).integers(0, 2**32, shape, dtype=np.uint32)
    return bits.view(np.float32)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """One message's content: rows of one partition in offset order."""
    rows, features = draw(st.integers(1, 40)), draw(st.integers(1, len(FEATURE_IDS) + 3))
    seed, release = draw(st.integers(0, 2**32)), draw(st.text(min_size=1, max_size=9))
    decisions = [
        decision(
            click_id=draw(st.text(min_size=1, max_size=5)),
            ad_id=draw(st.none() | st.just("ad")),
            rules=tuple(draw(st.lists(st.sampled_from(["double-click", "stale"]), max_size=2))),
            score=draw(st.floats(0, 1)),
            verdict=draw(st.sampled_from(["valid", "invalid"])),
            model_version=release,
            source_partition=7,
            source_offset=offset,
        )
        for offset in range(rows)
    ]
    hashes = [offset.to_bytes(16) for offset in range(rows)]
    flags = [draw(st.integers(0, 15)) for _ in range(rows)]
    shadow = draw(st.none() | st.just((float32_bits(seed + 1, [rows]), ["invalid"] * rows)))
    return decisions, float32_bits(seed, [rows, features]), hashes, float32_bits(seed + 2, [rows]), flags, shadow


def bits(values: Any) -> list[int]:
    return [int(value) for value in np.asarray(values, np.float32).reshape(-1).view(np.uint32)]


@given(messages())
def test_a_message_gives_back_what_was_written(message: Message) -> None:
    decisions, features, hashes, session_clicks, flags, shadow = message

    body = encode(decisions, features, hashes, session_clicks, flags, shadow)
    batch = decode(body, {SCHEMA_HEADER: schema_id(features.shape[1]).encode()})

    columns = {name: batch.column(name).to_pylist() for name in Decision.__struct_fields__}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    assert [Decision(**{**row, "rules": tuple(row["rules"])}) for row in rows] == decisions
    assert bits(batch.column("features").flatten().to_numpy()) == bits(features)
    assert batch.column("account_hash").to_pylist() == hashes
    assert bits(batch.column("session_clicks_1h").to_numpy()) == bits(session_clicks)
    assert batch.column("flags").to_pylist() == flags
    if shadow is None:
        assert batch.column("shadow_verdict").null_count == len(decisions)
        assert batch.column("shadow_score").null_count == len(decisions)
    else:
        assert bits(batch.column("shadow_score").to_numpy()) == bits(shadow[0])
        assert batch.column("shadow_verdict").to_pylist() == shadow[1]


@pytest.mark.parametrize("header", [b"", b"2-53", b"1-", b"1-many", b"53", b"1--1"])
def test_a_message_of_an_unknown_format_is_refused(header: bytes) -> None:
    with pytest.raises(BadInput, match="this version reads"):
        decode(b"", {SCHEMA_HEADER: header})


def test_a_message_without_schema_is_refused() -> None:
    with pytest.raises(BadInput, match="this version reads"):
        decode(b"", {})


def test_every_flag_fits_the_column_and_has_a_bit_of_its_own() -> None:
    assert [flag.value for flag in Flag] == [1 << place for place in range(len(Flag))]
    assert max(Flag) < 2**16


def test_the_schema_id_says_how_many_features_there_are() -> None:
    assert schema_id() == f"{feature_log.FORMAT}-{len(FEATURE_IDS)}"
    assert schema_id(3) == f"{feature_log.FORMAT}-3"


@pytest.mark.parametrize("body", [b"", b"\x00", b"no arrow at all" * 20])
def test_damaged_bytes_are_bad_input(body: bytes) -> None:
    with pytest.raises(BadInput, match="damaged"):
        feature_log.decode(body, {feature_log.SCHEMA_HEADER: feature_log.schema_id().encode()})
