"""What has expired from Kafka is replayed from the archive, to the same decisions; what is in neither is named."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from rich.console import Console

from contracts.errors import Misconfigured, Refused
from contracts.events import Click, Decision
from contracts.replay import Selection
from contracts.topics import HOUR_MS, Topic
from replay import spans
from replay.begin import begin, job_of
from replay.log import ReplayLog
from replay.logs import Logs
from replay.plan import Plan
from replay.planning import Wish, make_plan
from replay.plans import Plans
from replay.releases import Releases
from replay.run import PartitionRun, Where
from slidr.replay_words import plan_table
from slidr.times import show_time
from tests.archive.doubles import Place, archive, features_record, started
from tests.builders import START_MS
from tests.replay.conftest import Slidr
from tests.replay.expired import archive_now, expire, expire_all
from tests.replay.logged import ROWS_PER_RECORD, Logged, clicks_of
from tests.replay.test_replay_commands import shadow_records

Planned = Callable[..., dict[str, Any]]
SINCE = ("--from", show_time(START_MS))
WISH = Wish(START_MS, None, Selection(), "good")
STEP_MS = 10


def late_clicks(count: int, first: int = 0) -> list[Click]:
    """Clicks of which every seventh was made hours before: their rows lie in other files than those beside them."""
    return [
        replace(one, clicked_at_ms=one.clicked_at_ms - number % 7 // 6 * 3 * HOUR_MS)
        for number, one in enumerate(clicks_of(first + count, STEP_MS)[first:])
    ]


def decided_in_order(one: Decision) -> Decision:
    """Each 2 ms after its turn, however old the click is."""
    return replace(one, decided_at_ms=START_MS + int(one.click_id[1:]) * STEP_MS + 2)


def decide(logged: Logged, version: str, count: int = 3_000, first: int = 0) -> list[Decision]:
    return logged.decide(late_clicks(count, first), version, change=decided_in_order)


def plan(logged: Logged, wish: Wish = WISH, replay_id: str = "r1") -> Plan:
    made = make_plan(
        logged.kafka, logged.prefix, Releases(str(logged.models)), wish, replay_id, START_MS + 10**9, show_time,
        archive_uri=logged.environment["SLIDR_ARCHIVE_URI"],
    )  # fmt: skip
    Plans(logged.environment["SLIDR_REPLAYS_URI"]).save(made)
    return made


def run(logged: Logged, replay_id: str, **options: bool) -> None:
    """As `slidr replay run --local` does, in this process."""
    plan = Plans(logged.environment["SLIDR_REPLAYS_URI"]).read(replay_id)
    releases, again = Releases(str(logged.models)), options.pop("again", False)
    job = job_of(
        plan, publish=options.pop("publish", False), direction="both", only_changed=options.pop("changed", False)
    )
    where = Where(logged.kafka, logged.prefix, "dana", logged.environment["SLIDR_ARCHIVE_URI"])
    with ReplayLog(logged.kafka, logged.prefix) as log:
        replay = begin(
            logged.kafka, logged.prefix, releases, log, replay_id, job, START_MS, "dana", clicks_per_s=1e6, again=again
        )
        rescorer = releases.rescorer(job.model_version, keep_rules=False)
        for partition in job.spans:
            PartitionRun(where, replay, partition, rescorer, log).run()


def assert_same_bytes(again: list[Decision], decided: list[Decision]) -> None:
    by_id = {one.click_id: one for one in again}
    assert len(again) == len(by_id) == len(decided)
    for one in decided:
        as_live = replace(by_id[one.click_id], run="live", revision=0, decided_at_ms=one.decided_at_ms)
        assert msgspec.json.encode(as_live) == msgspec.json.encode(one)


def test_what_has_expired_in_part_is_decided_byte_for_byte_the_same(
    logged: Logged, slidr: Slidr, planned: Planned
) -> None:
    decided = decide(logged, "good")
    archive_now(logged)
    expire(logged, Topic.FEATURE_LOG, {0: 12, 1: -1})
    expire(logged, Topic.DECISIONS, {0: 700, 1: -1})

    made = planned(*SINCE)
    done = slidr("replay", "run", made["id"], "--local", "--clicks-per-s", "100000")

    cut = 12 * ROWS_PER_RECORD
    assert [(part["place"], part["partition"], part["first"], part["end"]) for part in made["parts"]] == [
        ("archive", 0, 0, cut), ("kafka", 0, cut, 1_500), ("archive", 1, 0, 1_500),
    ]  # fmt: skip
    before, behind, _ = made["parts"]
    assert before["from_ms"] == START_MS
    assert before["to_ms"] == behind["from_ms"] > max(decided_at(decided, 0, range(cut)))
    assert behind["from_ms"] <= 1 + max(decided_at(decided, 0, range(cut, cut + ROWS_PER_RECORD)))
    assert made["outlook"]["clicks"] == 3_000
    assert (made["expired"], made["outlook"]["invalidated"]["value"], made["outlook"]["restored"]["value"]) == (
        [],
        0,
        0,
    )
    assert done.returncode == 0, done.stderr
    assert_same_bytes(shadow_records(logged, made["id"]), decided)


def decided_at(decided: list[Decision], partition: int, offsets: range) -> list[int]:
    return [
        one.decided_at_ms for one in decided if one.source_partition == partition and one.source_offset in offsets
    ]  # fmt: skip


def test_a_range_that_has_expired_as_a_whole_begins_and_ends_where_it_did_in_kafka(
    logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "MAX_IN_FLIGHT_RECORDS", 0)
    decided = decide(logged, "good")
    from_ms, to_ms = START_MS + 412 * STEP_MS + 2, START_MS + 2_604 * STEP_MS + 2  # in which a click was decided
    wish = Wish(from_ms, to_ms, Selection(), "good")
    in_kafka = plan(logged, wish)
    archive_now(logged)
    expire_all(logged)

    made = plan(logged, wish)
    run(logged, "r1")

    within = [one for one in decided if from_ms <= one.decided_at_ms < to_ms]
    assert made.job == in_kafka.job
    assert made.outlook.sampled == in_kafka.outlook.sampled == len(within)
    assert [(part.place, part.first, part.end) for part in made.parts] == [
        ("archive", span.first, span.end) for span in in_kafka.job.spans.values()
    ]
    assert_same_bytes(shadow_records(logged, "r1"), within)


def test_corrections_that_have_expired_are_in_force_nevertheless(logged: Logged, slidr: Slidr) -> None:
    live = {one.click_id: one.verdict for one in decide(logged, "faulty")}
    only = replace(WISH.selection, advertisers=("advertiser-1", "advertiser-2"))
    plan(logged, Wish(START_MS, None, only, "good"), "first")
    run(logged, "first", publish=True, changed=True)
    corrected = logged.records("first")
    archive_now(logged)
    expire_all(logged)

    made = plan(logged, Wish(START_MS, None, Selection(), "faulty"), "second")
    reported = slidr("replay", "report", "second", "--json")
    run(logged, "second", publish=True, changed=True, again=True)

    assert made.corrected_before == ("first",)
    again = logged.records("second")
    assert {one.click_id: one.verdict for one in again} == {one.click_id: live[one.click_id] for one in corrected}
    assert {one.supersedes for one in again} == {"first"}
    found = json.loads(reported.stdout)["compared"]["confusion"]
    assert found["valid to invalid"] + found["invalid to valid"] == len(corrected) > 0


def test_what_is_in_neither_is_named_and_left_out_only_if_asked(logged: Logged) -> None:
    decided = decide(logged, "good", 1_000)
    archive_now(logged)
    decided += decide(logged, "good", 2_000, first=1_000)
    expire(logged, Topic.FEATURE_LOG, {0: 15})
    archive_now(logged, skip_expired=True)
    expire(logged, Topic.FEATURE_LOG, {0: 20})

    with pytest.raises(Refused, match="--allow-gaps") as refused:
        plan(logged)
    made = plan(logged, Wish(START_MS, None, Selection(), "good", allow_gaps=True))
    run(logged, "r1")

    lost = range(10 * ROWS_PER_RECORD, 15 * ROWS_PER_RECORD)
    last_before, first_behind = (
        max(decided_at(decided, 0, range(lost.start))),
        min(decided_at(decided, 0, range(lost.stop, 1_500))),
    )
    told = f"partition 0: {show_time(last_before)} to {show_time(first_behind)}, records 10 to 14 of its feature log"
    assert told in str(refused.value)
    assert [(one.partition, one.log_first, one.log_end) for one in made.expired] == [(0, 10, 15)]
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(plan_table(made))
    shown = console.export_text()
    assert f"partition 0, {show_time(last_before)} to {show_time(first_behind)}: in neither of them" in shown
    assert re.search(r"from the archive +│ clicks\[0\] 0 to 999, 2024", shown), shown
    assert re.search(r"from Kafka +│ clicks\[0\] 1000 to 1499, 2024", shown), shown
    assert made.outlook.clicks == 2_750
    left = [one for one in decided if one.source_partition == 1 or one.source_offset not in lost]
    assert_same_bytes(shadow_records(logged, "r1"), left)


def test_a_gap_outside_of_the_range_is_in_nobodys_way(logged: Logged) -> None:
    decide(logged, "good", 400)
    expire(logged, Topic.FEATURE_LOG, {0: 2})
    archive_now(logged)
    expire_all(logged)

    with pytest.raises(Refused, match="partition 0: before 2024-01-01T00:00:02"):
        plan(logged)
    made = plan(logged, Wish(START_MS + 300 * STEP_MS, None, Selection(), "good"))

    assert (made.outlook.clicks, made.expired) == (100, ())


@pytest.mark.parametrize("archived", [True, False])
def test_what_expires_between_plan_and_run_is_taken_from_the_archive_or_refused(logged: Logged, archived: bool) -> None:
    decided = decide(logged, "good", 1_000)
    plan(logged)
    as_an_older_version_wrote_it(Path(logged.environment["SLIDR_REPLAYS_URI"]) / "r1.json")
    if archived:
        archive_now(logged)
    expire(logged, Topic.FEATURE_LOG, {0: 4})

    if archived:
        run(logged, "r1")
    else:
        with pytest.raises(Refused, match="records 0 to 3 expired from Kafka since the plan was made"):
            run(logged, "r1")

    assert_same_bytes(shadow_records(logged, "r1"), decided if archived else [])


def as_an_older_version_wrote_it(path: Path) -> None:
    """Without what plans did not say before."""
    made = json.loads(path.read_text())
    del made["parts"]
    for span in made["job"]["spans"].values():
        del span["missing"]
    path.write_text(json.dumps(made))


def test_an_archive_of_another_topic_is_refused(logged: Logged, tmp_path: Path) -> None:
    place = Place(tmp_path, as_objects=False)
    archive(started(place.store(), Topic.FEATURE_LOG), [features_record(0)])

    with pytest.raises(Misconfigured, match="made anew"):
        Logs(logged.kafka, logged.prefix, place.uri).view(Topic.FEATURE_LOG)
