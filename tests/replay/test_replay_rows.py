"""Rows and decisions in force are those that a reader of the topics takes: each click once, repetitions dropped."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from billing.log import Stretch, open_consumer, whole_log
from contracts.errors import Refused
from contracts.events import LIVE, Click, Decision
from contracts.replay import Replay, ReplayJob, ReplayRequest, Selection, Span, fold_requests
from contracts.topics import Topic, topic_name
from model.decide import decide, invalid_rows, written_scores
from model.manifest import SLICES
from model.release import Release
from replay.logs import Logs
from replay.pace import Pace
from replay.rows import Rows, read_rows
from replay.spans import resolve
from replay.standing import Earlier, read_standing
from tests.builders import START_MS, click, decision
from tests.replay.expired import archive_now, expire
from tests.replay.logged import Logged, features_of

SPAN = Span(first=0, end=100, log_first=0, log_end=9, decisions_first=0, decisions_end=0)


def decisions(offsets: Sequence[int], **fields: object) -> list[Decision]:
    return [decision(click_id=f"c{offset}", source_offset=offset, **fields) for offset in offsets]


def log_rows(logged: Logged, offsets: Sequence[int]) -> None:
    logged.write_rows(decisions(offsets), features_of(len(offsets), offsets[0]))


@pytest.mark.parametrize("at_once", [1, 30, 1_000])
def test_a_paused_workers_repetitions_and_what_lies_outside_of_the_span_are_left_out(
    logged: Logged, at_once: int
) -> None:
    for offsets in (range(10, 40), range(40, 53), range(31, 40), range(35, 45), range(53, 81)):
        log_rows(logged, offsets)
    logged.flush()
    consumer = open_consumer(logged.kafka)

    parts = list(
        read_rows(consumer, topic_name(Topic.FEATURE_LOG, logged.prefix), 0, Stretch(0, 5), Stretch(20, 60), at_once)
    )

    consumer.close()
    assert np.concatenate([part.offsets for part in parts]).tolist() == list(range(20, 60))
    assert all(len(part.columns) == len(part.features) for part in parts)
    assert parts[-1].next_offset == 60
    assert parts[-1].log_offset == 5


@pytest.mark.parametrize("at_once", [1, 1_000])
def test_rows_are_the_same_where_the_archive_ends_and_kafka_begins_with_a_repetition(
    logged: Logged, at_once: int
) -> None:
    for offsets in (range(10, 40), range(40, 53), range(31, 40), range(35, 45), range(53, 81)):
        log_rows(logged, offsets)
    logged.flush()
    archive_now(logged)
    expire(logged, Topic.FEATURE_LOG, {0: 2})
    logs = Logs(logged.kafka, logged.prefix, logged.environment["SLIDR_ARCHIVE_URI"])
    consumer, span = open_consumer(logged.kafka), replace(SPAN, first=20, end=60, log_end=5)

    def read(log_first: int, first: int) -> list[Rows]:
        return list(logs.rows(consumer, 0, replace(span, first=first, log_first=log_first), at_once))

    parts = read(0, 20)
    for part in parts[::9]:  # whoever goes on there reads the rest
        rest = read(part.log_offset, part.next_offset)
        assert offsets_in(rest) == list(range(part.next_offset, 60))
    resolved = resolve(logs, START_MS, START_MS + 10**9)

    consumer.close()
    assert offsets_in(parts) == list(range(20, 60))
    assert [(part.place, part.first, part.end) for part in resolved.parts] == [("archive", 10, 53), ("kafka", 53, 81)]


def offsets_in(parts: Sequence[Rows]) -> list[int]:
    return [offset for part in parts for offset in part.offsets.tolist()]


def test_the_decision_in_force_is_that_of_the_highest_revision_and_repetitions_do_not_count(logged: Logged) -> None:
    logged.write_decisions(decisions(range(4)))
    logged.write_decisions(decisions([1, 2], verdict="invalid"))  # late, so dropped
    logged.write_decisions(decisions([1, 3], verdict="invalid", run="r-a", revision=1))
    logged.write_decisions(decisions([1], verdict="valid", run="r-b", revision=2))
    logged.write_decisions(decisions([0], verdict="invalid", run="r-later", revision=9))
    logged.flush()
    consumer = open_consumer(logged.kafka)
    logs = Logs(logged.kafka, logged.prefix)
    held = whole_log(consumer, logs.name(Topic.DECISIONS))
    span = replace(SPAN, end=5, decisions_end=held[0].end)

    standing = read_standing(consumer, logs, 0, span, [Earlier("r-a", 0), Earlier("r-b", 0)], 0)

    consumer.close()
    offsets = np.arange(5)
    logged_verdicts = np.array([False, False, False, False, True])
    assert standing.invalid(offsets, logged_verdicts).tolist() == [False, False, False, True, True]
    assert standing.run_of(offsets) == [LIVE, "r-b", LIVE, "r-a", LIVE]


def test_a_lost_decision_of_a_worker_counts_as_logged_and_a_lost_correction_is_refused(logged: Logged) -> None:
    logged.write_decisions(decisions(range(4), verdict="invalid"))
    logged.flush()
    expire(logged, Topic.DECISIONS, {0: 2})
    consumer, logs = open_consumer(logged.kafka), Logs(logged.kafka, logged.prefix)
    span = replace(SPAN, end=4, decisions_end=4)

    standing = read_standing(consumer, logs, 0, span, [], 0)
    with pytest.raises(Refused, match=r"records 0 to 1 have expired and are not archived. Replay\(s\) r-a have"):
        read_standing(consumer, logs, 0, span, [Earlier("r-a", 0)], 0)

    consumer.close()
    assert standing.invalid(np.arange(4), np.zeros(4, bool)).tolist() == [False, False, True, True]


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.sampled_from(SLICES), st.booleans())), st.integers(0, 10**6))
def test_columns_are_decided_as_clicks_are(rows: list[tuple[float, str, bool]], seed: int) -> None:
    thresholds = dict(
        zip(SLICES, np.random.default_rng(seed).uniform(0, 1.1, len(SLICES)).round(6).tolist(), strict=True)
    )
    release = Release("v1", (), None, thresholds, b"{}", None, None)
    scores = np.array([score for score, _, _ in rows], np.float32)
    clicks: list[Click] = [click(device=name.split("|")[0], logged_in=name.endswith("user")) for _, name, _ in rows]

    one_by_one = decide(release, clicks, scores, [("stale_click",) if ruled else () for _, _, ruled in rows])

    columns = invalid_rows(
        written_scores(scores),
        np.array([thresholds[name] for _, name, _ in rows], np.float64),
        np.array([ruled for _, _, ruled in rows], bool),
    )
    assert ["invalid" if invalid else "valid" for invalid in columns] == one_by_one.verdict


def request(
    action: str, replay_id: str, at_offset: int, rate: float | None = None, of_revision: int | None = None
) -> ReplayRequest:
    job = ReplayJob(Selection(), "good", "", {0: SPAN}) if action == "run" else None
    return ReplayRequest(action, replay_id, at_offset, START_MS, "dana", job, rate, of_revision)  # type: ignore[arg-type]


def test_of_two_requests_written_at_once_one_counts() -> None:
    found = fold_requests([(0, request("run", "a", 0)), (1, request("run", "b", 0)), (2, request("run", "c", 2))])

    assert [(replay.id, replay.revision) for replay in found] == [("a", 1), ("c", 3)]


def test_a_run_is_cancelled_and_slowed_by_later_requests() -> None:
    records = [request("run", "a", 0, 10.0), request("rate", "a", 1, 5.0, 1), request("run", "b", 2, 7.0)]
    records.append(request("cancel", "b", 3, of_revision=3))

    found: list[Replay] = fold_requests(enumerate(records))

    assert [(replay.id, replay.clicks_per_s, replay.cancelled) for replay in found] == [
        ("a", 5.0, False),
        ("b", 7.0, True),
    ]


class Clock:
    """Sleeping is what makes its time pass."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def test_the_rate_is_kept_and_lost_time_is_not_made_up_for() -> None:
    clock = Clock()
    pace = Pace(100.0, lambda: clock.now_s, clock.sleep)

    def spend() -> None:
        pace.spend(50)
        assert pace.wait(1.0)

    for _ in range(10):
        spend()
    assert clock.now_s == pytest.approx(5.0)
    clock.now_s += 60  # Kafka was away
    for _ in range(10):
        spend()
    assert clock.now_s == pytest.approx(70.0, abs=0.2)


def test_a_wait_is_as_long_as_told_and_another_rate_holds_at_once() -> None:
    clock = Clock()
    pace = Pace(1.0, lambda: clock.now_s, clock.sleep)
    pace.spend(256)

    assert not pace.wait(1.0)
    assert clock.now_s == 1.0
    pace.clicks_per_s = 255.0
    assert pace.wait(1.0)
    assert clock.now_s == pytest.approx(2.0)
