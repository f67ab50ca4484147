"""The sentinel on a real Kafka: counts each click once, whatever is killed, and acts once, however many there are."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from contracts.errors import Misconfigured
from contracts.topics import Topic
from contracts.verdicts import SliceBands
from guardrails.limits import read_limits
from guardrails.sentinel.state import State
from slidr.servers import KafkaServer
from streams.sentinel import Now, Report, Sentinel
from streams.sentinel_store import SentinelStore
from streams.topic_admin import create_topics
from streams.topic_reader import TopicReader
from tests.builders import START_MS
from tests.conftest import WaitUntil
from tests.streams.live_log import ACTIVE, PARTITIONS, STABLE, LiveLog, Writing, invalidating_half_of_mobile

# The clocks stand still: nothing is saved or looked up but when a test says so.
NOW = Now(START_MS, 0.0)


@pytest.fixture
def live_log(kafka: KafkaServer, topic_prefix: str) -> LiveLog:
    """Topics without a record."""
    address = {"bootstrap.servers": kafka.bootstrap_servers}
    create_topics(address, topic_prefix, PARTITIONS, keep_forever=True)
    return LiveLog(address, topic_prefix)


def unknown_release(version: str) -> dict[str, SliceBands]:
    raise Misconfigured(f"there is no release {version}")


@contextmanager
def sentinel_on(log: LiveLog, *, dry_run: bool = False) -> Iterator[Sentinel]:
    """A sentinel that has started."""
    made = Sentinel(
        TopicReader(log.kafka, log.name(Topic.FEATURE_LOG)),
        TopicReader(log.kafka, log.name(Topic.PURCHASES)),
        log.releases,
        SentinelStore(log.kafka, log.name(Topic.SENTINEL_STATE)),
        unknown_release,
        STABLE,
        read_limits().sentinel,
        dry_run=dry_run,
    )
    try:
        made.start(NOW)
        yield made
    finally:
        made.close()


def counted(state: State) -> int:
    return sum(sum(slices.values()) for slices in state.volumes.values())


def read_all(sentinel: Sentinel, log: LiveLog, wait_until: WaitUntil) -> list[Report]:
    """Step until every click written is counted; what was reported."""
    reports: list[Report] = []

    def all_counted() -> bool:
        if report := sentinel.step(NOW):
            reports.append(report)
        return counted(sentinel.state) >= log.clicks and not sentinel.left

    wait_until(all_counted)
    assert counted(sentinel.state) == log.clicks
    return reports


def faulty_promotion(log: LiveLog) -> int:
    """Half an hour of the stable release, then two minutes of a faulty one; the offset of its promotion."""
    log.decide(1800, STABLE)
    offset = log.announce("promote", ACTIVE, -1)
    log.decide(120, ACTIVE, invalidating_half_of_mobile, shadow=STABLE)
    return offset


def test_a_faulty_release_is_rolled_back_naming_slice_and_figure(live_log: LiveLog, wait_until: WaitUntil) -> None:
    promoted = faulty_promotion(live_log)

    with sentinel_on(live_log) as sentinel:
        (report,) = read_all(sentinel, live_log, wait_until)

    written = live_log.releases.history()[-1]
    assert written.effective
    assert (written.event.action, written.event.version, written.event.by) == ("rollback", STABLE, "sentinel")
    assert written.event.replaces_offset == promoted
    assert "newly_invalid: mobile|user: active makes" in written.event.reason
    assert "50.0%" in written.event.reason
    assert report.outcome == f"rollback {STABLE} is event {written.offset}"


def test_a_sound_release_is_left_alone(live_log: LiveLog, wait_until: WaitUntil) -> None:
    live_log.decide(600, STABLE)
    live_log.announce("promote", ACTIVE, -1)
    live_log.decide(120, ACTIVE, shadow=STABLE)

    with sentinel_on(live_log) as sentinel:
        (report,) = read_all(sentinel, live_log, wait_until)

    assert report.judgement.action is None
    assert {one.guardrail for one in report.judgement.verdicts if one.outcome == "passed"} >= {"newly_invalid"}
    assert len(live_log.releases.history()) == 1


def test_of_two_sentinels_one_acts_and_the_other_says_that_it_was_late(
    live_log: LiveLog, wait_until: WaitUntil
) -> None:
    faulty_promotion(live_log)

    with ExitStack() as stack:
        both = [stack.enter_context(sentinel_on(live_log)) for _ in range(2)]
        first, second = ([report.outcome for report in read_all(one, live_log, wait_until)] for one in both)

    history = live_log.releases.history()
    assert [entry.event.version for entry in history if entry.effective] == [ACTIVE, STABLE]
    assert first == [f"rollback {STABLE} is event {history[1].offset}"]
    assert second[0] is not None
    assert "since sentinel was first" in second[0]


def test_a_dry_run_reports_and_writes_nothing(live_log: LiveLog, wait_until: WaitUntil) -> None:
    faulty_promotion(live_log)

    with sentinel_on(live_log, dry_run=True) as sentinel:
        (report,) = read_all(sentinel, live_log, wait_until)
        sentinel.save(NOW)

    assert report.judgement.action is not None
    assert report.judgement.action.version == STABLE
    assert report.outcome == f"dry run: rollback {STABLE} was not written"
    assert len(live_log.releases.history()) == 1
    assert SentinelStore(live_log.kafka, live_log.name(Topic.SENTINEL_STATE)).load() is None


def test_a_restart_goes_on_where_the_saved_state_ends(live_log: LiveLog, wait_until: WaitUntil) -> None:
    live_log.decide(300, STABLE)
    with sentinel_on(live_log) as killed:
        read_all(killed, live_log, wait_until)
        killed.save(NOW)
        live_log.decide(60, STABLE)
        read_all(killed, live_log, wait_until)  # counted, not saved: lost with the process
    live_log.decide(60, STABLE)

    with sentinel_on(live_log) as restarted, sentinel_on(live_log, dry_run=True) as other:
        assert counted(restarted.state) == 300 * 40
        read_all(restarted, live_log, wait_until)
        read_all(other, live_log, wait_until)

        assert restarted.state.volumes == other.state.volumes
        assert restarted.state.releases[STABLE].minutes == other.state.releases[STABLE].minutes
        assert restarted.state.releases[STABLE].hours == other.state.releases[STABLE].hours


def test_rows_that_a_worker_repeated_are_counted_once(live_log: LiveLog, wait_until: WaitUntil) -> None:
    live_log.decide(10, STABLE)
    clicks, offsets = live_log.clicks, dict(live_log._offsets)
    with Writing(live_log.kafka) as producer:
        again = [live_log._second(partition, STABLE, invalidating_half_of_mobile) for partition in range(PARTITIONS)]
        for partition, decisions in enumerate(again):
            live_log.write(producer, partition, decisions[:-1])
            live_log.write(producer, partition, decisions)  # the last one is new
    assert live_log.clicks > clicks
    assert live_log._offsets != offsets

    with sentinel_on(live_log) as sentinel:
        read_all(sentinel, live_log, wait_until)


def test_replays_and_what_cannot_be_read_are_left_out(live_log: LiveLog, wait_until: WaitUntil) -> None:
    live_log.decide(10, STABLE)
    with Writing(live_log.kafka) as producer:
        producer.produce(live_log.name(Topic.FEATURE_LOG), b"no batch", partition=0)
        producer.produce(live_log.name(Topic.PURCHASES), b"no purchase")
    live_log.decide(10, STABLE)

    with sentinel_on(live_log) as sentinel:
        read_all(sentinel, live_log, wait_until)


def test_purchases_are_counted_for_the_clicks_that_they_name(live_log: LiveLog, wait_until: WaitUntil) -> None:
    live_log.decide(60, STABLE)
    live_log.buy("click-0", "click-1", "click-1", "click-2", None, "never-heard-of")

    with sentinel_on(live_log) as sentinel:
        read_all(sentinel, live_log, wait_until)
        wait_until(lambda: sentinel.step(NOW) or sentinel.state.purchase_ms == sentinel.state.newest_ms)

    hours = sentinel.state.releases[STABLE].hours.values()
    tails = [slices["desktop|user"] for slices in hours] + [slices["mobile|user"] for slices in hours]
    assert sum(tail.purchasing for tail in tails) == 3
    assert sum(tail.purchasing_invalid for tail in tails) == 1  # click 0 is a robot's
