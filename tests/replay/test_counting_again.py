"""Clicks counted again in their merged order, in memory and in a real Redis."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pytest

from billing.log import Stretch
from contracts.errors import Misconfigured
from contracts.features import LONGEST_WINDOW_MS
from contracts.ports import CountCall, FeatureStore
from features.answers import ANSWER_BYTES, UNSEEN_ANSWER
from features.memory_store import MemoryFeatureStore
from features.redis_store import RedisFeatureStore
from replay.counting import Answers, count_again
from replay.merging import merged
from replay.sharing import SharedIps
from tests.builders import START_MS, click

KEY = "a key for tests only, of some length"
COUNT = 700


class Record(NamedTuple):
    """A stored record."""

    at: int
    body: bytes
    at_ms: int

    def value(self) -> bytes:
        return self.body

    def offset(self) -> int:
        return self.at

    def timestamp(self) -> tuple[int, int]:
        return 1, self.at_ms


def records_of(partition: int, count: int = COUNT) -> list[Record]:
    """Clicks of the partition's own users on IPs that all share; some late, one from long ago, one no click."""
    draw = np.random.default_rng(partition)
    found = []
    for offset in range(count):
        at_ms = START_MS + 1_000 * offset + int(draw.integers(0, 5_000))
        late_ms = int(draw.integers(0, 60_000)) if offset % 9 == 0 else 0
        one = click(
            click_id=f"c{partition}-{offset}",
            clicked_at_ms=at_ms - (LONGEST_WINDOW_MS + 1 if offset == 50 else late_ms),
            user_id=f"u{partition}-{draw.integers(0, 40)}",
            session_id=f"s{partition}-{draw.integers(0, 60)}",
            ip=f"192.0.2.{draw.integers(0, 20)}",
        )
        found.append(Record(offset, b"no click" if offset == 60 else msgspec.json.encode(one), at_ms))
    return found


def pieces(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """As Kafka gives them, some at once."""
    return iter([records[at : at + 37] for at in range(0, len(records), 37)])


def counted(store: FeatureStore, folder: Path, partitions: dict[int, list[Record]], first: int = 0) -> dict[int, bytes]:
    """Answers to each partition's clicks from `first` on; those before warm the store up."""
    folder.mkdir()
    answers = Answers(folder, {p: Stretch(first, len(records)) for p, records in partitions.items()})
    clicks = merged({p: pieces(records) for p, records in partitions.items()})
    asyncio.run(count_again(store, clicks, answers, SharedIps()))
    return {p: answers.of(p, np.arange(first, len(records))) for p, records in partitions.items()}


def by_a_worker(records: Sequence[Record]) -> bytes:
    """Answers of a store that counts one partition call by call, as a worker asks it."""
    from streams.records import decode_clicks

    store = MemoryFeatureStore(KEY)

    async def ask() -> bytes:
        decoded = decode_clicks(records)
        clicks, offsets = decoded.counted()
        found = {}
        expected = None
        for one, offset in zip(clicks, offsets, strict=True):
            answer = await store.count(CountCall(7, expected, offset, -1, [one], [offset]))
            found[offset] = answer.answers  # type: ignore[union-attr]
            expected = offset
        return b"".join(found.get(offset, UNSEEN_ANSWER) for offset in range(len(records)))

    return asyncio.run(ask())


def test_one_partition_counted_again_has_the_answers_that_it_had_bit_for_bit(tmp_path: Path) -> None:
    records = records_of(0)

    again = counted(MemoryFeatureStore(KEY), tmp_path / "a", {0: records})

    assert again[0] == by_a_worker(records)


def test_bad_records_and_clicks_of_long_ago_are_counted_nowhere(tmp_path: Path) -> None:
    again = counted(MemoryFeatureStore(KEY), tmp_path / "a", {0: records_of(0)})[0]

    unseen = [n for n in range(COUNT) if again[n * ANSWER_BYTES : (n + 1) * ANSWER_BYTES] == UNSEEN_ANSWER]
    assert unseen == [50, 60]


def test_what_only_warms_up_is_counted_and_not_kept(tmp_path: Path) -> None:
    partitions = {0: records_of(0), 1: records_of(1)}

    whole = counted(MemoryFeatureStore(KEY), tmp_path / "a", partitions)
    tail = counted(MemoryFeatureStore(KEY), tmp_path / "b", partitions, first=300)

    assert tail == {p: found[300 * ANSWER_BYTES :] for p, found in whole.items()}


def test_two_recomputations_are_byte_identical_in_memory_and_in_redis(tmp_path: Path, redis_url: str) -> None:
    partitions = {p: records_of(p) for p in range(3)}

    async def in_redis(namespace: str) -> dict[int, bytes]:
        store = await RedisFeatureStore.connect(redis_url, KEY, namespace=namespace)
        (folder := tmp_path / namespace).mkdir()
        answers = Answers(folder, {p: Stretch(0, COUNT) for p in partitions})
        try:
            clicks = merged({p: pieces(partitions[p]) for p in (2, 0, 1)})
            assert await count_again(store, clicks, answers, SharedIps()) == 3 * COUNT
        finally:
            await store.close()
        return {p: answers.of(p, np.arange(COUNT)) for p in partitions}

    found = [asyncio.run(in_redis(name)) for name in ("once", "again")]

    assert found[0] == found[1] == counted(MemoryFeatureStore(KEY), tmp_path / "memory", partitions)


def test_a_store_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    store = MemoryFeatureStore(KEY)
    counted(store, tmp_path / "a", {0: records_of(0)})

    with pytest.raises(Misconfigured, match="was not empty"):
        counted(store, tmp_path / "b", {0: records_of(0)})


def test_an_address_is_shared_when_several_partitions_have_counted_clicks_of_it() -> None:
    ips = SharedIps()
    for partition, ip in ((0, "192.0.2.1"), (0, "192.0.2.1"), (0, "192.0.2.2"), (1, "192.0.2.2"), (0, "192.0.2.2")):
        ips.see(partition, ip)

    assert ips.shared(["192.0.2.1", "192.0.2.2", "192.0.2.3"]).tolist() == [False, True, False]


def test_answers_that_no_disk_has_room_for_are_refused_before_any_is_counted(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"has no room for [\d,]+ bytes of counted features"):
        Answers(tmp_path, {0: Stretch(0, 10**14)})


def test_the_merged_order_goes_by_timestamps_and_never_against_a_partitions_offsets() -> None:
    zero = [Record(0, b"a", 10), Record(1, b"b", 30), Record(2, b"c", 20)]
    one = [Record(0, b"d", 20), Record(1, b"e", 40)]

    found = list(merged({1: pieces(one), 0: pieces(zero)}))

    assert [record.value() for record in found] == [b"a", b"d", b"b", b"c", b"e"]
    assert [record.offset() for record in found] == [0, 1, 2, 3, 4]
