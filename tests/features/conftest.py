"""Coroutine tests, and both feature stores under one name."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import uvloop

from features.memory_store import MemoryFeatureStore
from features.redis_store import RedisFeatureStore

ENTITY_KEY = "the entity key of these tests"

AnyStore = MemoryFeatureStore | RedisFeatureStore
OpenStore = Callable[[], AbstractAsyncContextManager[AnyStore]]
OpenRedis = Callable[..., AbstractAsyncContextManager[RedisFeatureStore]]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """Run tests that are coroutines, each in an event loop of its own, of the kind that the worker runs on."""
    if not inspect.iscoroutinefunction(pyfuncitem.function):
        return None
    names = inspect.signature(pyfuncitem.function).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(pyfuncitem.function(**arguments))
    return True


@asynccontextmanager
async def redis_store(url: str, namespace: str = "") -> AsyncIterator[RedisFeatureStore]:
    """A store that is closed at the end."""
    store = await RedisFeatureStore.connect(url, ENTITY_KEY, namespace)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def memory_store() -> AsyncIterator[MemoryFeatureStore]:
    """The reference, empty."""
    yield MemoryFeatureStore(ENTITY_KEY)


async def states_of(store: AnyStore) -> dict[bytes, bytes]:
    """Bytes of every entity's state by key."""
    return store.dump() if isinstance(store, MemoryFeatureStore) else await store.dump()


@pytest.fixture(params=["memory", "redis"])
def open_store(request: pytest.FixtureRequest) -> OpenStore:
    """`async with open_store() as store`: an empty store of either kind."""
    if request.param == "memory":
        return memory_store
    url = request.getfixturevalue("redis_url")
    return lambda: redis_store(url)
