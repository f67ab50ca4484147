"""A run in parts: shared out, stopped, gone on with, told of twice."""

import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace

from contracts.errors import BadInput
from contracts.replay import LogRange, Replay, ReplayTask
from replay.begin import begin, job_of
from replay.log import ReplayLog, first_progress
from replay.plans import Plans
from replay.releases import Releases
from replay.run import Where
from replay.tasks import do_task, tasks_of
from slidr.times import show_time
from tests.builders import START_MS
from tests.conftest import WaitUntil
from tests.replay.logged import Logged, clicks_of

Planned = Callable[..., dict[str, Any]]


def asked(logged: Logged, log: ReplayLog, replay_id: str, *, shared: bool, clicks_per_s: float = 1e6) -> Replay:
    """A plan that somebody runs."""
    job = job_of(Plans(logged.environment["SLIDR_REPLAYS_URI"]).read(replay_id), publish=False, only_changed=False,
                 direction="both")  # fmt: skip
    now_ms = int(time.time() * 1000)
    return begin(
        logged.kafka, logged.prefix, releases(logged), log, replay_id, job, now_ms, "dana", clicks_per_s=clicks_per_s,
        shared=shared,
    )  # fmt: skip


def where(logged: Logged) -> Where:
    return Where(logged.kafka, logged.prefix, "agent-1")


def releases(logged: Logged) -> Releases:
    return Releases(str(logged.models))


def unasked(replay: Replay, log: ReplayLog, stop: threading.Event) -> None:
    """No features are counted again."""
    raise AssertionError


def test_a_run_is_shared_out_by_partitions_and_only_what_is_left_of_it(logged: Logged, planned: Planned) -> None:
    logged.decide(clicks_of(200), "faulty")
    replay_id = planned("--from", show_time(START_MS))["id"]
    with ReplayLog(logged.kafka, logged.prefix) as log:
        replay = asked(logged, log, replay_id, shared=True)
        request = msgspec.json.encode(replay.request)
        tasks = tasks_of(where(logged), request)

        first = do_task(where(logged), releases(logged), unasked, msgspec.json.encode(tasks[0]), threading.Event())
        left = tasks_of(where(logged), request)

    assert tasks == [ReplayTask(replay_id, replay.revision, partition) for partition in (0, 1)]
    assert first
    assert left == tasks[1:]


def test_a_run_that_is_done_where_it_was_asked_for_is_not_shared_out(logged: Logged, planned: Planned) -> None:
    logged.decide(clicks_of(200), "faulty")
    with ReplayLog(logged.kafka, logged.prefix) as log:
        replay = asked(logged, log, planned("--from", show_time(START_MS))["id"], shared=False)

    assert tasks_of(where(logged), msgspec.json.encode(replay.request)) == []


def test_a_run_that_counts_features_again_is_one_task_until_nothing_of_it_is_left(
    logged: Logged, planned: Planned
) -> None:
    logged.decide(clicks_of(200), "faulty")
    replay_id = planned("--from", show_time(START_MS))["id"]
    plan = Plans(logged.environment["SLIDR_REPLAYS_URI"]).read(replay_id)
    job = replace(plan.job, recompute={0: LogRange(0, 100), 1: LogRange(0, 100)})
    asked_of: list[int] = []

    def recompute(replay: Replay, log: ReplayLog, stop: threading.Event) -> None:
        asked_of.append(replay.revision)
        for partition in replay.job.spans:
            log.tell(replace(first_progress(replay, partition, "agent-1"), state="done", at_ms=START_MS))

    with ReplayLog(logged.kafka, logged.prefix) as log:
        replay = begin(
            logged.kafka, logged.prefix, releases(logged), log, replay_id, job, START_MS, "dana", shared=True
        )
        request = msgspec.json.encode(replay.request)
        tasks = tasks_of(where(logged), request)
        ended = [
            do_task(where(logged), releases(logged), recompute, msgspec.json.encode(tasks[0]), threading.Event())
            for _ in range(2)
        ]

    assert tasks == [ReplayTask(replay_id, replay.revision, 0)]
    assert ended == [True, True]
    assert asked_of == [replay.revision]
    assert tasks_of(where(logged), request) == []


def test_the_topic_of_a_run_is_made_by_whoever_shares_it_out(
    logged: Logged, planned: Planned, wait_until: WaitUntil
) -> None:
    logged.decide(clicks_of(200), "faulty")
    replay_id = planned("--from", show_time(START_MS))["id"]
    admin, topic = AdminClient(logged.kafka), f"{logged.prefix}decisions-replay-{replay_id}"
    with ReplayLog(logged.kafka, logged.prefix) as log:
        replay = asked(logged, log, replay_id, shared=True)
        admin.delete_topics([topic])[topic].result(timeout=30)
        wait_until(lambda: topic not in admin.list_topics(timeout=10).topics)

        tasks_of(where(logged), msgspec.json.encode(replay.request))

    assert topic in admin.list_topics(timeout=10).topics


def test_a_task_that_is_stopped_is_not_at_its_end_and_goes_on(
    logged: Logged, planned: Planned, wait_until: WaitUntil
) -> None:
    logged.decide(clicks_of(4_000), "faulty")
    replay_id = planned("--from", show_time(START_MS))["id"]
    stop, ended = threading.Event(), list[bool]()
    with ReplayLog(logged.kafka, logged.prefix) as log:
        replay = asked(logged, log, replay_id, shared=True, clicks_per_s=200)
        task = msgspec.json.encode(ReplayTask(replay_id, replay.revision, 0))
        at_work = threading.Thread(
            target=lambda: ended.append(do_task(where(logged), releases(logged), unasked, task, stop)), daemon=True
        )
        at_work.start()
        wait_until(lambda: 0 in log.progress(replay.revision) and log.progress(replay.revision)[0].written)
        stop.set()
        at_work.join(60)
        stopped = log.progress(replay.revision)[0]
        log.replays()
        log.ask("rate", replay_id, int(time.time() * 1000), "dana", clicks_per_s=1e6, of_revision=replay.revision)

        again = do_task(where(logged), releases(logged), unasked, task, threading.Event())
        done = log.progress(replay.revision)[0]

    assert ended == [False]
    assert stopped.state == "running"
    assert again
    assert (done.state, done.written) == ("done", 2_000)


@pytest.mark.parametrize("value", [b"", b"{}", b'{"replay_id": "r1", "revision": 77, "partition": 0}'])
def test_what_is_no_task_is_said_to_be_none(logged: Logged, value: bytes) -> None:
    with pytest.raises(BadInput):
        do_task(where(logged), releases(logged), unasked, value, threading.Event())
