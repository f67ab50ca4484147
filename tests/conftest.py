"""Real servers, started when the first test asks for them and shared by all; each test works in a corner of its own."""

import os
import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings
from redis import Redis

from slidr.servers import KafkaServer, RedisServer

# Tests do not time: an example that takes long on a busy machine is not wrong. On CI the drawn examples are the same
# each time, so that a change is judged by what it changes; elsewhere new ones find what nobody thought of.
settings.register_profile("slidr", deadline=None)
settings.register_profile("slidr-ci", deadline=None, derandomize=True, database=None)
settings.load_profile("slidr-ci" if os.environ.get("CI") else "slidr")

# pytest writes differences out in full where it takes itself to be on CI; here they have thousands of records.
os.environ.pop("CI", None)

WAIT_LIMIT_S = 60.0

WaitUntil = Callable[[Callable[[], object]], None]


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer]:
    """A running Kafka: `.bootstrap_servers`. Never stop it: a test that does so starts one of its own."""
    with KafkaServer() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A running Redis: `.url`. Never stop it: a test that does so starts one of its own."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """URL of the shared Redis, emptied for this test."""
    with Redis.from_url(redis_server.url, socket_timeout=WAIT_LIMIT_S) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def topic_prefix() -> str:
    """A prefix that no other test's topics and groups have."""
    return f"t{uuid.uuid4().hex[:8]}-"


@pytest.fixture
def wait_until() -> WaitUntil:
    """`wait_until(condition)` returns when the condition holds, and fails when it does not within a generous limit."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + WAIT_LIMIT_S
        while not condition():
            assert time.monotonic() < deadline, f"did not come true within {WAIT_LIMIT_S:.0f} s"
            time.sleep(0.01)

    return wait
