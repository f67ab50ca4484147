"""A run is watched, slowed, hurried and stopped from another terminal."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from contracts.errors import Refused
from replay.control import cancel
from replay.log import ReplayLog
from slidr.times import show_time
from tests.builders import START_MS
from tests.conftest import WaitUntil
from tests.processes import SlidrProcess
from tests.replay.conftest import Slidr, start
from tests.replay.logged import Logged, clicks_of

PUBLISH = ("--local", "--publish", "--only-changed")


@pytest.fixture
def slow(logged: Logged, planned: Callable[..., dict[str, Any]]) -> str:
    """A plan of 4,000 clicks."""
    logged.decide(clicks_of(4_000), "faulty")
    return str(planned("--from", show_time(START_MS))["id"])


def running(logged: Logged, replay_id: str) -> SlidrProcess:
    """The plan, published by a process of its own at 250 clicks/s."""
    return start(logged, "replay", "run", replay_id, *PUBLISH, "--clicks-per-s", "250")


def status(slidr: Slidr, replay_id: str) -> dict[str, Any]:
    done = slidr("replay", "status", replay_id, "--json")
    return dict(json.loads(done.stdout)["runs"][0]) if done.returncode == 0 else {}


def test_a_run_is_seen_and_slowed_and_hurried(logged: Logged, slidr: Slidr, slow: str, wait_until: WaitUntil) -> None:
    with running(logged, slow) as process:
        wait_until(lambda: status(slidr, slow).get("done", 0) > 0)
        seen = status(slidr, slow)
        table = slidr("replay", "status").stdout
        slowed = slidr("replay", "rate", slow, "1")
        wait_until(lambda: status(slidr, slow)["clicks_per_s"] == 0)  # it owes minutes for what it has just done
        waiting = status(slidr, slow)
        hurried = slidr("replay", "rate", slow, "1000000")
        process.wait(60)

    assert seen["state"] == "running"
    assert 0 < seen["clicks_per_s"] < 1_000
    assert seen["seconds_left"] > 0
    assert slow in table
    assert "running" in table
    assert slowed.returncode == 0, slowed.stderr
    assert waiting["state"] == "running"
    assert hurried.returncode == 0, hurried.stderr
    assert ": done." in process.stdout.read_text()
    assert status(slidr, slow)["state"] == "done"
    assert "done" in slidr("replay", "status", slow, "--follow").stdout


def test_a_cancelled_run_stops_says_what_it_published_and_is_not_taken_up_again(
    logged: Logged, slidr: Slidr, slow: str, wait_until: WaitUntil
) -> None:
    with running(logged, slow) as process:
        wait_until(lambda: logged.records(slow))
        done = slidr("replay", "cancel", slow, "--json")
        process.wait(60)
    again = slidr("replay", "run", slow, *PUBLISH)
    twice = slidr("replay", "cancel", slow)

    assert json.loads(done.stdout)["state"] == "cancelled"
    assert json.loads(done.stdout)["written"] == len(logged.records(slow)) > 0
    assert json.loads(done.stdout)["done"] < 4_000
    assert ": cancelled." in process.stdout.read_text()
    assert (again.returncode, twice.returncode) == (1, 1)
    assert "was cancelled" in again.stderr
    assert "at its end" in twice.stderr


def test_what_a_killed_process_left_is_cancelled_by_the_one_who_asks(
    logged: Logged, slow: str, wait_until: WaitUntil
) -> None:
    with running(logged, slow) as process:
        wait_until(lambda: logged.records(slow))
        process.kill()
    with ReplayLog(logged.kafka, logged.prefix) as log:
        found = cancel(log, slow, "dana", lambda: int(time.time() * 1000) + 60_000)

        assert found.state == "cancelled"
        assert {one.state for one in found.partitions} == {"cancelled"}
        with pytest.raises(Refused, match="at its end"):
            cancel(log, slow, "dana", lambda: int(time.time() * 1000))
