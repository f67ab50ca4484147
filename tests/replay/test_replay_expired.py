"""A published run stands still until its own corrections have expired, and goes on: each of them stands once."""

import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from billing.fold import Deduplicator
from billing.log import open_consumer
from contracts.events import Decision
from contracts.topics import Topic, topic_name
from replay.log import ReplayLog
from replay.reading import held_in
from slidr.times import show_time
from tests.builders import START_MS
from tests.conftest import WaitUntil
from tests.processes import SlidrProcess
from tests.replay.conftest import Slidr, start
from tests.replay.expired import expire
from tests.replay.logged import Logged, clicks_of

PUBLISH = ("--local", "--publish", "--only-changed", "--clicks-per-s")


def taken(records: list[Decision]) -> Counter[str]:
    """How often a reader of these records in log order takes a correction of each click."""
    rule = Deduplicator()
    return Counter(one.click_id for one in records if rule.admit(one.source_partition, one))


def told_of(logged: Logged) -> int:
    """Where the newest progress of partition 0 says that the run's later records begin."""
    with ReplayLog(logged.kafka, logged.prefix) as log:
        found = log.progress(log.replays()[-1].revision) if log.replays() else {}
        return found[0].output_offset if 0 in found else -1


def end_of(logged: Logged) -> int:
    """Where `decisions[0]` ends."""
    consumer = open_consumer(logged.kafka)
    try:
        return held_in(consumer, topic_name(Topic.DECISIONS, logged.prefix), 0).end
    finally:
        consumer.close()


def is_between_two_tellings(logged: Logged, process: SlidrProcess) -> bool:
    """Whether corrections stand behind what progress tells of; then the process stands still."""
    process.send_signal(signal.SIGSTOP)
    if found := 0 <= told_of(logged) < end_of(logged) - 20:
        return found
    process.send_signal(signal.SIGCONT)
    return False


@pytest.mark.parametrize("left", [0, 5])
def test_what_expired_while_a_run_stood_still_is_written_again_and_stands_once_for_every_reader(
    logged: Logged, slidr: Slidr, planned: Callable[..., dict[str, Any]], wait_until: WaitUntil, left: int
) -> None:
    clicks = clicks_of(4_000)
    live = {one.click_id: one for one in logged.decide(clicks, "faulty")}
    elsewhere = Logged(logged.kafka["bootstrap.servers"], f"{logged.prefix}else-", logged.models.parent)
    flips = {one.click_id for one in elsewhere.decide(clicks, "good") if one.verdict != live[one.click_id].verdict}
    replay_id = planned("--from", show_time(START_MS))["id"]
    with start(logged, "replay", "run", replay_id, *PUBLISH, "500") as process:
        wait_until(lambda: is_between_two_tellings(logged, process))
        process.kill()
    before, end, told = logged.records(replay_id), end_of(logged), told_of(logged)
    expire(logged, Topic.DECISIONS, {0: end - left})

    done = slidr("replay", "run", replay_id, *PUBLISH, "1000000")

    again = [one for one in logged.records(replay_id) if one not in before]
    assert told < end - left
    assert ": done." in done.stdout, done.stderr
    assert taken(before + again) == Counter(flips)
    written_twice = {one.click_id for one in before} & {one.click_id for one in again}
    assert bool(written_twice) == (left == 0)
    assert max(taken(logged.records(replay_id)).values()) == 1
    assert {one.click_id for one in logged.records(replay_id)} >= flips - {one.click_id for one in before}
