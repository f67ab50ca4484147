"""Markers under killed and paused workers, on real servers: what is marked final is decided, and stays so."""

import json
import random
import time
from collections import defaultdict
from collections.abc import Iterator

import pytest

from billing.closing import Closer, ClosingRule, read_finality
from billing.conservation import ClickPlace
from billing.snapshot import read_click_places
from contracts.events import LIVE, FinalityMarker
from contracts.topics import HOUR_MS, Topic
from tests.acceptance.deployment import Deployment
from tests.acceptance.test_faults import assert_conserved, skewed_clicks

QUICK = ClosingRule(grace_ms=0, hour_ms=250)


class Closing:
    """A closer that is thrown away and made anew now and then, as if it were killed."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self.markers: list[FinalityMarker] = []
        self._open()

    def _open(self) -> None:
        self._closer = Closer(self._deployment.kafka, self._deployment.prefix, QUICK)

    def step(self) -> bool:
        """One step; True, so that it can stand in a condition."""
        self.markers += self._closer.step(round(time.time() * 1000))
        return True

    def restart(self) -> None:
        self.close()
        self._open()

    def all_closed(self, since_ms: int) -> bool:
        """Whether every partition has been looked at since then, and closed."""
        self.step()
        newest = {marker.partition: marker.looked_at_ms for marker in self.markers}
        return len(newest) == self._deployment.partitions and min(newest.values()) > since_ms

    def close(self) -> None:
        self._closer.close()


@pytest.fixture
def closing(deployment: Deployment) -> Iterator[Closing]:
    made = Closing(deployment)
    yield made
    made.close()


def assert_true(deployment: Deployment, markers: list[FinalityMarker]) -> None:
    """Of every marker: the clicks below `clicks_end` have their live decisions below `decisions_end`."""
    written_at: dict[int, dict[int, int]] = defaultdict(dict)
    position: dict[int, int] = defaultdict(int)
    for partition, decision in deployment.decisions():
        if decision.run == LIVE:
            written_at[partition].setdefault(decision.source_offset, position[partition])
        position[partition] += 1
    clicks: dict[int, list[ClickPlace]] = defaultdict(list)
    for place in read_click_places(deployment.kafka, deployment.prefix):
        clicks[place.partition].append(place)
    for marker in markers:
        for place in clicks[marker.partition][: marker.clicks_end]:
            decided_at = written_at[place.partition].get(place.offset, marker.decisions_end)
            assert place.click_id is None or decided_at < marker.decisions_end, (marker, place)


def test_no_marker_lies_while_workers_are_killed_and_paused(deployment: Deployment, closing: Closing) -> None:
    clicks, chance = skewed_clicks(24_000), random.Random(3)
    workers = [deployment.start_worker() for _ in range(2)]
    deployment.wait(lambda: all(worker.ready() for worker in workers))

    for round_, first in enumerate(range(0, len(clicks), 4_000)):
        decided = sum(deployment.end_offsets(Topic.DECISIONS))
        deployment.send_clicks(clicks[first : first + 4_000])
        deployment.send([("", b"no click", clicks[first].clicked_at_ms)], chance.randrange(4))
        deployment.wait(lambda d=decided: closing.step() and sum(deployment.end_offsets(Topic.DECISIONS)) > d + 500)
        if round_ % 2:
            workers.pop(0).kill()
        else:
            workers.pop(0).pause()
        closing.step()
        closing.restart()
        workers.append(deployment.start_worker())
    for worker in deployment.workers:
        worker.resume()
    sent_ms = round(time.time() * 1000)
    deployment.wait(lambda: closing.all_closed(sent_ms))
    deployment.wait_decided()

    assert_conserved(deployment, 24_000, zombies=True)
    assert len(closing.markers) > 8
    assert_true(deployment, closing.markers)
    finality = read_finality(deployment.kafka, deployment.prefix, QUICK.hour_ms)
    assert [finality.newest(p).clicks_end for p in range(4)] == deployment.end_offsets(Topic.CLICKS)  # type: ignore[union-attr]


def test_the_commands_close_an_hour_once_its_clicks_are_decided(deployment: Deployment) -> None:
    deployment.send_clicks(skewed_clicks(200))
    early = deployment.slidr("decisions", "close", "--once")
    worker = deployment.start_worker()
    deployment.wait(worker.ready)
    deployment.wait_decided()

    done = deployment.slidr("decisions", "close", "--once", "--json", "--correction-days", "7")
    again = deployment.slidr("decisions", "close", "--once", "--json")
    shown = deployment.slidr("decisions", "final", "--json")

    assert early.returncode == 1
    assert "4 partition(s) wait for decisions" in early.stderr
    assert "No hour" not in deployment.slidr("decisions", "final").stdout
    assert (done.returncode, again.stdout) == (0, "")
    markers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [marker["clicks_end"] for marker in markers] == deployment.end_offsets(Topic.CLICKS)
    assert {marker["credit_from_ms"] - marker["hour_ends_ms"] for marker in markers} == {7 * 24 * HOUR_MS}
    assert json.loads(shown.stdout)["final_until_ms"] == markers[0]["hour_ends_ms"]
