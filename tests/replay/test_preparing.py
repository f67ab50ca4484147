"""While features are counted again: the log is told of it, and a cancel or a stop is heard."""

import threading
from collections.abc import Iterator

import pytest

from contracts.replay import Preparation, Replay, ReplayJob, Selection, Span
from replay.log import ReplayLog
from replay.preparing import Preparing
from replay.status import RunStatus, run_status
from tests.builders import START_MS
from tests.replay.logged import Logged

SPANS = {0: Span(0, 300, 0, 6, 0, 300), 1: Span(0, 300, 0, 6, 0, 300)}


@pytest.fixture
def log(logged: Logged) -> Iterator[ReplayLog]:
    """The log of requests and progress."""
    with ReplayLog(logged.kafka, logged.prefix) as opened:
        yield opened


def asked(log: ReplayLog, clicks_per_s: float = 1e6) -> Replay:
    """A run of two partitions."""
    log.replays()
    log.ask("run", "r1", START_MS, "dana", ReplayJob(Selection(), "good", "", SPANS), clicks_per_s)
    return log.replays()[-1]


def status(log: ReplayLog, replay: Replay) -> RunStatus:
    """As of when the newest was told."""
    progress = log.progress(replay.revision)
    return run_status(replay, progress, max(one.at_ms for one in progress.values()))


def test_a_step_is_told_of_as_the_runs_progress_with_what_is_left_after_it(log: ReplayLog) -> None:
    replay = asked(log, clicks_per_s=1_000)
    go_on = Preparing(replay, 0, log, "agent-1", threading.Event()).over("counting", 4_000)

    begun = status(log, replay)
    go_on(1_200)
    seen = status(log, replay)

    assert begun.preparation == Preparation("counting", 0, 4_000)
    assert (seen.state, seen.done, seen.agents) == ("running", 0, ("agent-1",))
    assert seen.preparation == Preparation("counting", 1_200, 4_000)
    assert 500 < seen.clicks_per_s < 1_300
    # 2,800 to count, 600 to compare, 600 to decide.
    assert seen.seconds_left == pytest.approx(4_000 / seen.clicks_per_s)


def test_counting_ends_when_the_run_is_cancelled(log: ReplayLog) -> None:
    replay = asked(log, clicks_per_s=500)
    preparing = Preparing(replay, 0, log, "agent-1", threading.Event())
    go_on = preparing.over("counting", 4_000)

    went_on = go_on(256)
    log.ask("cancel", "r1", START_MS, "dana", of_revision=replay.revision)

    assert went_on
    assert not go_on(1_000)  # two seconds: it looks every second
    assert preparing.cancelled


def test_counting_that_waits_for_its_rate_ends_at_once_when_it_is_stopped(log: ReplayLog) -> None:
    stop = threading.Event()
    preparing = Preparing(asked(log, clicks_per_s=0.001), 0, log, "agent-1", stop)
    go_on = preparing.over("counting", 4_000)
    threading.Timer(0.2, stop.set).start()

    went_on = go_on(256)

    assert not went_on
    assert preparing.ended
    assert not preparing.cancelled
