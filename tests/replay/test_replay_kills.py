"""A publishing replay that is killed, again and again, leaves every correction once."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from billing.fold import Deduplicator
from slidr.times import show_time
from tests.builders import START_MS
from tests.replay.conftest import Slidr, start
from tests.replay.logged import Logged, clicks_of

KILLS = 6
PATIENCE_S = 60


def test_a_replay_killed_and_resumed_leaves_no_correction_missing_and_none_conflicting(
    logged: Logged, slidr: Slidr, planned: Callable[..., dict[str, Any]]
) -> None:
    clicks = clicks_of(12_000)
    live = {one.click_id: one for one in logged.decide(clicks, "faulty")}
    elsewhere = Logged(logged.kafka["bootstrap.servers"], f"{logged.prefix}else-", logged.models.parent)
    good = {one.click_id: one for one in elsewhere.decide(clicks, "good")}
    replay_id = planned("--from", show_time(START_MS))["id"]
    command = ("replay", "run", replay_id, "--local", "--publish", "--only-changed", "--clicks-per-s", "2000")

    for kill in range(1, KILLS + 1):
        with start(logged, *command) as process:
            deadline_s = time.monotonic() + PATIENCE_S
            while len({one.click_id for one in logged.records(replay_id)}) < kill * 500 and process.returncode is None:
                assert time.monotonic() < deadline_s
            assert process.returncode is None, "done before it was killed"
            process.kill()
    done = slidr(*command)

    assert ": done." in done.stdout
    rule = Deduplicator()
    corrections = [one for one in logged.records(replay_id) if rule.admit(one.source_partition, one)]
    flips = {name for name, one in good.items() if one.verdict != live[name].verdict}
    assert Counter(one.click_id for one in corrections) == Counter(flips)
    assert {one.click_id: one.verdict for one in corrections} == {name: good[name].verdict for name in flips}
    assert {name: one.verdict for name, one in logged.effective().items()} == {
        name: one.verdict for name, one in good.items()
    }
