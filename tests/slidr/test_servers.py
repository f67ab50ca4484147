"""The embedded servers keep port and data over a restart, and never outlive the process that started them."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from redis import Redis

from contracts.errors import Unavailable
from slidr.servers import EmbeddedServers, RedisServer

WaitUntil = Callable[[Callable[[], object]], None]

# The 6th of November 2017: older than any default retention.
OLD_MS = 1_509_955_200_000


def is_alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as server:
        yield server


def ask(server: RedisServer, *command: str) -> object:
    """One command on a connection of its own."""
    with Redis.from_url(server.url, decode_responses=True) as client:
        return client.execute_command(*command)


def read_one(bootstrap_servers: str, topic: str) -> tuple[int, bytes | None]:
    """Timestamp and value of the first record of partition 0."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "reader"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    [message] = consumer.consume(1, 30)
    consumer.close()
    return message.timestamp()[1], message.value()


def test_kafka_keeps_old_records_over_a_kill_on_the_same_port() -> None:
    with EmbeddedServers() as servers:
        address = servers.kafka.bootstrap_servers
        admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
        admin.create_topics([NewTopic("kept", 1, 1, config={"retention.ms": "-1"})])["kept"].result(30)
        producer = Producer({"bootstrap.servers": address, "log_level": 0})
        producer.produce("kept", b"a click", timestamp=OLD_MS)
        assert producer.flush(30) == 0

        servers.kafka.kill()
        servers.kafka.start()

        assert servers.kafka.bootstrap_servers == address
        assert read_one(address, "kept") == (OLD_MS, b"a click")
        assert ask(servers.redis, "PING") is True
        folders = [servers.kafka.folder, servers.redis.folder]
    assert not any(folder.exists() for folder in folders)


def test_redis_comes_back_empty_on_the_same_port(redis: RedisServer) -> None:
    port = redis.port
    ask(redis, "SET", "key", "value")

    redis.kill()
    redis.start()

    assert redis.port == port
    assert ask(redis, "GET", "key") is None


def test_redis_comes_back_with_the_last_snapshot(redis: RedisServer) -> None:
    ask(redis, "SET", "key", "old")
    ask(redis, "SAVE")
    ask(redis, "SET", "key", "new")

    redis.kill()
    redis.start()

    assert ask(redis, "GET", "key") == "old"


def test_redis_with_append_only_keeps_its_data_until_started_empty(tmp_path: Path) -> None:
    with RedisServer(tmp_path, append_only=True) as redis:
        ask(redis, "SET", "key", "value")
        redis.stop()
        redis.start()
        kept = ask(redis, "GET", "key")

        redis.kill()
        redis.start(empty=True)

        assert kept == "value"
        assert ask(redis, "GET", "key") is None


def test_a_paused_server_answers_again_after_resume(redis: RedisServer) -> None:
    redis.pause()
    silent = not redis._answers()

    redis.resume()

    assert silent
    assert ask(redis, "PING") is True


def test_a_named_folder_stays_and_a_temporary_one_goes(tmp_path: Path) -> None:
    with RedisServer() as temporary, RedisServer(tmp_path / "named") as named:
        assert temporary.folder.exists()

    assert not temporary.folder.exists()
    assert named.log.exists()


def test_a_failed_start_names_the_log_and_keeps_it() -> None:
    redis = RedisServer()
    redis.data.mkdir()
    (redis.data / "dump.rdb").write_text("not a snapshot of Redis")

    with pytest.raises(Unavailable, match="redis ended while starting") as failure:
        redis.start()

    redis.close()
    assert str(redis.log) in str(failure.value)
    assert "signature" in redis.log.read_text()
    shutil.rmtree(redis.folder)


def test_a_port_that_is_taken_is_refused(redis: RedisServer, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=f"another server has port {redis.port}"):
        RedisServer(tmp_path / "second", port=redis.port).start()


def test_a_command_that_cannot_be_run_is_told_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slidr.servers.redis.find_redis_server", lambda: str(tmp_path / "nothing-here"))

    with pytest.raises(Unavailable, match="nothing-here"):
        RedisServer(tmp_path).start()


def test_a_server_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    redis = RedisServer(tmp_path)
    thread = threading.Thread(target=redis.start)
    thread.start()
    thread.join()

    assert ask(redis, "PING") is True

    redis.close()
    assert not redis.running


def test_servers_end_with_a_parent_that_is_killed(wait_until: WaitUntil) -> None:
    code = "import time\nfrom slidr.servers import RedisServer\nserver = RedisServer().start()\n"
    code += "print(server.pid, server.folder, flush=True)\ntime.sleep(1000)"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pid, folder = parent.stdout.readline().split()
    assert is_alive(int(pid))

    parent.kill()
    parent.wait()

    wait_until(lambda: not is_alive(int(pid)))
    wait_until(lambda: not Path(folder).exists())


def test_a_server_ends_with_its_guard(redis: RedisServer, wait_until: WaitUntil) -> None:
    pid = redis.pid
    guard_pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

    os.kill(guard_pid, signal.SIGKILL)

    wait_until(lambda: not is_alive(pid))
