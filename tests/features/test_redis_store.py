"""Redis against the reference, bit for bit, and what stands under its keys."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from zlib import crc32

import pytest
from redis import Redis

from contracts.errors import Misconfigured
from contracts.ports import CountCall, Counted, Recall, RefusedCount
from features.call import CLICKS_MOST
from features.memory_store import MemoryFeatureStore
from features.redis_store import TTL_HOURS_LEAST, RedisFeatureStore
from tests.builders import START_MS
from tests.features.clicks import call_of, calls_of, clicks_at, disorderly_clicks
from tests.features.conftest import ENTITY_KEY, redis_store
from tests.features.oracles import HOUR_MS, MINUTE_MS

WORKERS = 4
TTL_S = 72 * 3_600


async def answers_to(store: RedisFeatureStore, calls: list[CountCall]) -> bytes:
    """Make all calls at once; their answers."""
    outcomes = [await made for made in [store.count(call) for call in calls]]
    return b"".join(outcome.answers for outcome in outcomes if isinstance(outcome, Counted))


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, socket_timeout=60) as client:
        yield client


@pytest.mark.parametrize("step_ms", [200, 20_000, 15 * MINUTE_MS])
@pytest.mark.parametrize("seed", range(3))
async def test_answers_and_states_equal_the_references_bit_for_bit(redis_url: str, seed: int, step_ms: int) -> None:
    clicks = disorderly_clicks(seed, 2_000, step_ms)
    reference = MemoryFeatureStore(ENTITY_KEY)

    async with redis_store(redis_url) as store:
        answers = await answers_to(store, calls_of(clicks, sizes=(1, 3, 64, 200, 1)))

        assert answers == reference.count_clicks(clicks)
        assert await store.dump() == reference.dump()
        assert await store.peek(clicks[::7]) == await reference.peek(clicks[::7])


async def test_workers_at_once_leave_what_one_alone_would_have(redis_url: str) -> None:
    """Accounts stay with a worker each, IPs are shared by all."""
    clicks = disorderly_clicks(5, 4_000, 1_000)
    reference = MemoryFeatureStore(ENTITY_KEY)
    reference.count_clicks(clicks)
    shares = [[one for one in clicks if crc32(one.account_id.encode()) % WORKERS == n] for n in range(WORKERS)]

    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(redis_store(redis_url)) for _ in shares]
        await asyncio.gather(
            *(answers_to(store, calls_of(shares[n], (7, 50), partition=n)) for n, store in enumerate(stores))
        )

        assert await stores[0].dump() == reference.dump()


async def test_of_two_workers_with_one_partition_one_counts_each_call(redis_url: str) -> None:
    calls = calls_of(disorderly_clicks(6, 600, 1_000), sizes=(10,))
    reference = MemoryFeatureStore(ENTITY_KEY)
    async with redis_store(redis_url) as first, redis_store(redis_url) as second:
        made = [store.count(call) for call in calls for store in (first, second)]

        outcomes = [await each for each in made]

        assert sum(isinstance(outcome, Counted) for outcome in outcomes) == len(calls)
        reference.count_clicks([one for call in calls for one in call.clicks])
        assert await first.dump() == reference.dump()


async def test_entities_expire_and_watermarks_never_do(redis_url: str, client: Redis) -> None:
    async with redis_store(redis_url) as store:
        await answers_to(store, calls_of(disorderly_clicks(1, 500, 60_000), sizes=(50,)))

        ttls_s = [client.ttl(key) for key in await store.dump()]

    assert all(TTL_S - 60 < ttl_s <= TTL_S for ttl_s in ttls_s)
    assert client.ttl("{0}1w0") == client.ttl("{0}1s0") == -1
    assert client.dbsize() == len(ttls_s) + 2


async def test_an_expiry_is_renewed_once_in_twelve_hours_of_event_time(redis_url: str, client: Redis) -> None:
    """
    |0 h         x  x  |12 h   x        x new, within the same 12 h, in the next
    """
    async with redis_store(redis_url) as store:
        await store.count(call_of(clicks_at(0)))
        keys = list(await store.dump())
        for key in keys:
            client.expire(key, 100)

        await store.count(call_of(clicks_at(11 * 3_600), first=1, expected=0))
        assert all(0 < client.ttl(key) <= 100 for key in keys)

        await store.count(call_of(clicks_at(12 * 3_600), first=2, expected=1))
        assert all(client.ttl(key) > 100 for key in keys)


FOREIGN = {
    "text": lambda state: b"not a state",
    "empty": lambda state: b"",
    "cut": lambda state: state[:-1],
    "longer": lambda state: state + b"\0",
    "no tiles": lambda state: b"\0" + state[1:],
    "nothing but a head": lambda state: b"\0\0\0",
    "too many tiles": lambda state: bytes([29]) + state[1:3] + 29 * state[3:11],
    "too many sessions": lambda state: state[:19] + b"\3" + state[20:40] + 2 * state[21:40] + state[40:],
}


@pytest.mark.parametrize("foreign", FOREIGN)
async def test_a_value_that_is_no_state_of_ours_counts_as_none(redis_url: str, client: Redis, foreign: str) -> None:
    async with redis_store(redis_url) as store:
        first = await answers_to(store, [call_of(clicks_at(0))])
        states = await store.dump()
        for key, state in states.items():
            client.set(key, FOREIGN[foreign](state))

        again = await answers_to(store, [call_of(clicks_at(0), first=1, expected=0)])

        assert again == first
        assert await store.dump() == states
        assert all(client.ttl(key) > 0 for key in states)


async def test_a_value_of_another_type_counts_as_none(redis_url: str, client: Redis) -> None:
    async with redis_store(redis_url) as store:
        await store.count(call_of(clicks_at(0)))
        states = await store.dump()
        for key in states:
            client.delete(key)
            client.hset(key, "field", "value")

        await store.count(call_of(clicks_at(0), first=1, expected=0))

        assert await store.dump() == states


@pytest.mark.parametrize("foreign", ["12.5", "0x10", "", "nan", "1 "])
async def test_a_watermark_that_is_no_number_counts_as_absent(redis_url: str, client: Redis, foreign: str) -> None:
    client.set("{0}1w0", foreign)

    async with redis_store(redis_url) as store:
        assert await store.watermarks([0]) == [None]
        assert await store.count(call_of(clicks_at(0), expected=1)) == RefusedCount(None)
        assert isinstance(await store.count(call_of(clicks_at(0))), Counted)
        assert await store.watermarks([0]) == [0]


async def test_a_watermark_and_answers_of_a_wrong_type_are_replaced(redis_url: str, client: Redis) -> None:
    client.rpush("{0}1w0", "a list")
    client.set("{0}1s0", "a string")

    async with redis_store(redis_url) as store:
        assert (await store.recall(0)).answers == {}
        await store.count(call_of(clicks_at(0, 1)))

        recall = await store.recall(0)

    assert recall.watermark == 1
    assert list(recall.answers) == [0, 1]


async def test_a_list_that_was_tampered_with_is_started_anew(redis_url: str, client: Redis) -> None:
    client.rpush("{0}1s0", "no header", "no body")

    async with redis_store(redis_url) as store:
        assert await store.recall(0) == Recall(None, {})
        await store.count(call_of(clicks_at(0)))

        assert list((await store.recall(0)).answers) == [0]


async def test_deployments_with_namespaces_of_their_own_share_nothing(redis_url: str) -> None:
    async with redis_store(redis_url, "eu[1]-") as one, redis_store(redis_url, "eu1-") as other:
        await one.count(call_of(clicks_at(0)))

        assert await other.watermarks([0]) == [None]
        assert await other.dump() == {}
        assert len(await one.dump()) == 3


async def test_a_topic_made_anew_starts_anew_with_the_counters_that_there_are(redis_url: str) -> None:
    first, second = [await RedisFeatureStore.connect(redis_url, ENTITY_KEY, source=topic) for topic in ("one", "two")]
    try:
        before = await answers_to(first, [call_of(clicks_at(0))])

        assert await second.recall(0) == Recall(None, {})
        assert await answers_to(second, [call_of(clicks_at(0))]) != before
        assert list((await first.recall(0)).answers) == [0]
    finally:
        await first.close()
        await second.close()


async def test_another_database_of_the_same_server_is_another_store(redis_url: str) -> None:
    async with redis_store(redis_url) as one, redis_store(redis_url.removesuffix("/0") + "/1") as other:
        await one.count(call_of(clicks_at(0)))

        assert await other.watermarks([0]) == [None]


async def test_no_name_of_a_person_is_kept(redis_url: str, client: Redis) -> None:
    async with redis_store(redis_url) as store:
        await store.count(call_of(clicks_at(0)))

    keys = client.keys("*")
    kept = b"".join([*keys, *filter(None, client.mget(keys)), *client.lrange("{0}1s0", 0, -1)])
    assert not any(name in kept for name in (b"user-1", b"session-1", b"203.0.113.7", b"campaign-1"))


async def test_a_call_that_would_block_redis_for_long_is_refused(redis_url: str) -> None:
    async with redis_store(redis_url) as store:
        with pytest.raises(ValueError, match="at most 1024"):
            store.count(call_of(clicks_at(*range(CLICKS_MOST + 1))))

        await store.count(call_of(clicks_at(*range(CLICKS_MOST))))

        assert await store.watermarks([0]) == [CLICKS_MOST - 1]


async def test_counters_that_would_expire_while_they_matter_are_refused(redis_url: str) -> None:
    with pytest.raises(Misconfigured, match="40 h"):
        await RedisFeatureStore.connect(redis_url, ENTITY_KEY, ttl_hours=TTL_HOURS_LEAST - 1)


def test_a_state_outlives_its_answers_by_the_least_ttl() -> None:
    """
    renewed   12 h   last click       28 h      equals a new one
       |-------------|---------------------------|
    """
    reference = MemoryFeatureStore(ENTITY_KEY)
    reference.count_clicks(clicks_at(0))

    idle = (TTL_HOURS_LEAST - 12) * HOUR_MS
    reference.forget_idle(START_MS + idle)

    assert reference.dump() == {}
