"""What befalls a server, and what its callers see of it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import hiredis
import pytest
from redis import Redis

from contracts.errors import Misconfigured, SlidrError, Unavailable
from contracts.ports import Counted, Recall, RefusedCount
from features import redis_connection
from features.memory_store import MemoryFeatureStore
from features.redis_address import read_redis_url
from features.redis_errors import error_of
from features.redis_store import RedisFeatureStore
from slidr.servers import RedisServer
from tests.conftest import WAIT_LIMIT_S
from tests.features.clicks import call_of, calls_of, clicks_at, disorderly_clicks
from tests.features.conftest import ENTITY_KEY, redis_store

CERTIFICATE = Path(__file__).with_name("localhost.pem")


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis of this test's own, which keeps its data over a restart."""
    with RedisServer(append_only=True) as server:
        yield server


@pytest.fixture
def admin(server: RedisServer) -> Iterator[Redis]:
    with Redis.from_url(server.url) as client:
        yield client


async def recalled(store: RedisFeatureStore) -> Recall:
    """Recall after a loss, as a worker does it: again while the server is unavailable."""
    async with asyncio.timeout(WAIT_LIMIT_S):
        while True:
            try:
                return await store.recall(0)
            except Unavailable:
                await asyncio.sleep(0.01)


async def lose_connection(store: RedisFeatureStore, server: RedisServer) -> None:
    """Restart the server and let the store notice."""
    server.stop()
    server.start()
    async with asyncio.timeout(WAIT_LIMIT_S):
        while True:
            try:
                await store.watermarks([0])
            except Unavailable:
                return


async def test_state_and_watermark_come_back_together_after_a_crash(server: RedisServer) -> None:
    clicks = disorderly_clicks(1, 600, 2_000)
    calls = calls_of(clicks, sizes=(20,))
    reference = MemoryFeatureStore(ENTITY_KEY)
    reference.count_clicks(clicks)

    async with redis_store(server.url) as store:
        for call in calls[:15]:
            await store.count(call)
        server.kill()
        server.start()
        with pytest.raises(Unavailable):
            await store.count(calls[15])
        (watermark,) = await store.watermarks([0])
        for call in calls:
            if watermark is None or call.watermark > watermark:
                await store.count(call)

        assert await store.dump() == reference.dump()


async def test_calls_in_flight_at_a_crash_fail_and_recall_says_which_were_counted(server: RedisServer) -> None:
    """
    calls  0 ... 9 counted | 10 ... 39 in flight when Redis is killed: the first few of them were counted, or none
    """
    calls = calls_of(disorderly_clicks(2, 800, 2_000), sizes=(20,))
    reference = MemoryFeatureStore(ENTITY_KEY)
    expected = {call.watermark: reference.count_clicks(call.clicks) for call in calls}

    async with redis_store(server.url) as store:
        made = [store.count(call) for call in calls]
        await asyncio.gather(*made[:10])
        server.kill()
        outcomes = await asyncio.gather(*made, return_exceptions=True)
        server.start()

        recall = await recalled(store)
        assert {type(outcome) for outcome in outcomes[10:]} <= {Counted, Unavailable}
        assert recall.watermark in expected
        for call, outcome in zip(calls, outcomes, strict=True):
            if isinstance(outcome, Counted):
                assert call.watermark <= recall.watermark
            if call.watermark > recall.watermark:
                await store.count(call)
            elif call.watermark in recall.answers:
                assert b"".join(recall.answers[n] for n in call.offsets) == expected[call.watermark]
        assert await store.dump() == reference.dump()


async def test_an_emptied_server_shows_no_watermark(server: RedisServer) -> None:
    async with redis_store(server.url) as store:
        await store.count(call_of(clicks_at(0)))
        server.kill()
        server.start(empty=True)

        recall = await recalled(store)

        assert recall.watermark is None
        assert await store.count(call_of(clicks_at(1), first=1, expected=0)) == RefusedCount(None)


async def test_calls_made_while_disconnected_wait_for_one_connection_and_keep_their_order(server: RedisServer) -> None:
    async with redis_store(server.url) as store:
        await lose_connection(store, server)

        calls = [call_of(clicks_at(n), first=n, expected=n - 1 if n else None) for n in range(5)]
        outcomes = await asyncio.gather(*[store.count(call) for call in calls])

        assert [type(outcome) for outcome in outcomes] == [Counted] * 5
        assert await store.watermarks([0]) == [4]


async def test_every_call_fails_at_once_while_the_server_is_down_and_works_when_it_is_back(server: RedisServer) -> None:
    async with redis_store(server.url) as store:
        server.stop()
        for _ in range(3):
            with pytest.raises(Unavailable):
                await store.watermarks([0])

        server.start()

        assert isinstance(await store.count(call_of(clicks_at(0))), Counted)


async def test_a_server_that_has_forgotten_the_script_learns_it_again(server: RedisServer, admin: Redis) -> None:
    async with redis_store(server.url) as store:
        await store.count(call_of(clicks_at(0)))
        admin.script_flush()

        made = [store.count(call_of(clicks_at(n), first=n, expected=n - 1)) for n in (1, 2)]
        outcomes = await asyncio.gather(*made, return_exceptions=True)

        assert [type(outcome) for outcome in outcomes] == [Unavailable] * 2
        assert await store.watermarks([0]) == [0]
        assert isinstance(await store.count(call_of(clicks_at(1), first=1, expected=0)), Counted)


async def test_a_frozen_server_is_waited_for(server: RedisServer) -> None:
    async with redis_store(server.url) as store:
        server.pause()
        made = store.count(call_of(clicks_at(0)))
        await asyncio.sleep(0)
        server.resume()

        assert isinstance(await made, Counted)


async def test_a_server_frozen_for_too_long_counts_as_lost(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_connection, "REPLY_LIMIT_S", 0.2)
    async with redis_store(server.url) as store:
        server.pause()

        with pytest.raises(Unavailable, match="no answer within"):
            await store.count(call_of(clicks_at(0)))

        server.resume()
        outcome = await store.count(call_of(clicks_at(0)))
        assert isinstance(outcome, Counted) or outcome == RefusedCount(0)
        assert await store.watermarks([0]) == [0]


async def test_a_full_server_refuses_the_whole_call(server: RedisServer, admin: Redis) -> None:
    async with redis_store(server.url) as store:
        await store.count(call_of(clicks_at(0)))
        before = await store.dump()
        admin.config_set("maxmemory", 1)

        with pytest.raises(Unavailable, match="needs more memory"):
            await store.count(call_of(clicks_at(1, 2), first=1, expected=0))

        admin.config_set("maxmemory", 0)
        assert await store.watermarks([0]) == [0]
        assert await store.dump() == before


async def test_a_replica_is_left_for_whoever_answers_next(server: RedisServer, admin: Redis) -> None:
    async with redis_store(server.url) as store:
        admin.replicaof("127.0.0.1", server.port + 1)
        with pytest.raises(Unavailable, match="primary"):
            await store.count(call_of(clicks_at(0)))

        admin.replicaof("NO", "ONE")
        connections = admin.info()["total_connections_received"]

        assert isinstance(await store.count(call_of(clicks_at(0))), Counted)
        assert admin.info()["total_connections_received"] == connections + 1


async def test_calls_in_flight_fail_when_the_store_is_closed(server: RedisServer) -> None:
    store = await RedisFeatureStore.connect(server.url, ENTITY_KEY)
    made = store.count(call_of(clicks_at(0)))

    await store.close()

    with pytest.raises(Unavailable, match="closed"):
        await made


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_server_that_would_throw_counters_away_is_refused(
    server: RedisServer, admin: Redis, policy: str
) -> None:
    admin.config_set("maxmemory-policy", policy)

    with pytest.raises(Misconfigured, match=f"maxmemory-policy {policy}"):
        await RedisFeatureStore.connect(server.url, ENTITY_KEY)


async def test_the_password_comes_from_the_url_and_appears_in_no_message(server: RedisServer, admin: Redis) -> None:
    url = server.url.replace("redis://", "redis://:{}@")
    admin.config_set("requirepass", "s3cret")

    async with redis_store(url.format("s3cret")) as store:
        assert await store.watermarks([0]) == [None]
    with pytest.raises(Misconfigured, match="password") as without:
        await RedisFeatureStore.connect(server.url, ENTITY_KEY)
    with pytest.raises(Misconfigured, match="correct the Redis URL") as wrong:
        await RedisFeatureStore.connect(url.format("wr0ng"), ENTITY_KEY)

    assert not any(secret in f"{without.value}{wrong.value}" for secret in ("s3cret", "wr0ng"))


async def test_a_user_without_the_permission_is_an_operators_matter(server: RedisServer, admin: Redis) -> None:
    admin.acl_setuser("reader", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@read", "+info", "+ping"])

    with pytest.raises(Misconfigured, match="lacks a permission"):
        await RedisFeatureStore.connect(server.url.replace("redis://", "redis://reader:pw@"), ENTITY_KEY)


async def test_nobody_listening_is_unavailable_with_the_way_out(server: RedisServer) -> None:
    server.stop()

    with pytest.raises(Unavailable, match=f"127.0.0.1:{server.port}.*Check that it runs"):
        await RedisFeatureStore.connect(server.url, ENTITY_KEY)


async def test_a_server_with_too_many_clients_is_unavailable(server: RedisServer, admin: Redis) -> None:
    admin.config_set("maxclients", 1)

    with pytest.raises(Unavailable, match="max number of clients"):
        await RedisFeatureStore.connect(server.url, ENTITY_KEY)


@asynccontextmanager
async def tls_in_front_of(server: RedisServer) -> AsyncIterator[int]:
    """Port of a TLS proxy for "localhost"; its certificate is in CERTIFICATE."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            sink.write(data)
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(pump(reader, behind_writer), pump(behind_reader, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as proxy:
        yield proxy.sockets[0].getsockname()[1]


async def test_tls_is_spoken_to_servers_of_trusted_authorities_only(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tls_in_front_of(server) as port:
        with pytest.raises(Unavailable, match="certificate verify failed"):
            await RedisFeatureStore.connect(f"rediss://localhost:{port}/0", ENTITY_KEY)

        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        async with redis_store(f"rediss://localhost:{port}/0") as store:
            assert isinstance(await store.count(call_of(clicks_at(0))), Counted)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("redis+cluster://redis:6379", "Redis Cluster"),
        ("redis://one:6379,two:6379", "Redis Cluster"),
        ("http://redis", "cannot be read"),
        ("redis://redis:6379/0?retries=7", "not known: retries"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_in_a_sentence(url: str, sentence: str) -> None:
    with pytest.raises(Misconfigured, match=sentence):
        read_redis_url(url)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", Unavailable),
        ("READONLY You can't write against a read only replica.", Unavailable),
        ("LOADING Redis is loading the dataset in memory", Unavailable),
        ("MISCONF Redis is configured to save RDB snapshots", Unavailable),
        ("BUSY Redis is busy running a script.", Unavailable),
        ("NOAUTH Authentication required.", Misconfigured),
        ("NOPERM this user has no permissions to run the 'evalsha' command", Misconfigured),
        ("ERR unknown command 'EVALSHA'", Misconfigured),
    ],
)
def test_an_error_reply_says_what_to_do_next(reply: str, kind: type[SlidrError]) -> None:
    error = error_of(hiredis.ReplyError(reply), "Redis at here:1/0")

    assert type(error) is kind
    assert str(error).startswith(f"Redis at here:1/0 answered {reply!r}. ")
