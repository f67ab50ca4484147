"""What cannot be replayed is refused with a sentence before anything is written."""

import json
from collections.abc import Callable
from dataclasses import replace as with_
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from msgspec.structs import replace

from contracts.errors import Misconfigured, Refused, SlidrError
from contracts.replay import Selection
from contracts.topics import Topic, topic_name
from replay.plan import Plan
from replay.planning import Wish, make_plan
from replay.releases import Releases
from slidr.times import show_time
from tests.builders import START_MS
from tests.replay.conftest import Slidr
from tests.replay.logged import Logged, clicks_of, features_of, write_release_of

WISH = Wish(START_MS, None, Selection(), "good")
NOW_MS = START_MS + 10**9


def plan(logged: Logged, wish: Wish) -> Plan:
    return make_plan(logged.kafka, logged.prefix, Releases(str(logged.models)), wish, "r1", NOW_MS, show_time)


@pytest.mark.parametrize(
    ("changes", "kind", "told"),
    [
        ({"to_ms": START_MS}, Misconfigured, "ends before it begins"),
        ({"to_ms": START_MS - 1}, Misconfigured, "ends before it begins"),
        ({"to_ms": NOW_MS + 1}, Misconfigured, "ends in the future"),
        ({"model": "no-such-release"}, Misconfigured, "no-such-release"),
        ({"from_ms": START_MS + 10**8}, Refused, "Nothing was decided between"),
        ({"selection": Selection(slices=("mobil|guest",))}, Refused, r"mobil\|guest"),
        ({"selection": Selection(advertisers=("nobody",))}, Refused, "'nobody' has no click"),
        ({"selection": Selection(model_version_was="older")}, Refused, "No click in the range"),
    ],
)
def test_a_bad_request_is_refused(logged: Logged, changes: dict[str, Any], kind: type[SlidrError], told: str) -> None:
    logged.decide(clicks_of(200), "faulty")

    with pytest.raises(kind, match=told):
        plan(logged, with_(WISH, **changes))


def test_a_release_that_was_tampered_with_is_refused(logged: Logged) -> None:
    logged.decide(clicks_of(200), "faulty")
    (logged.models / "good" / "model.onnx").write_bytes(b"something else")

    with pytest.raises(Misconfigured, match="sha256"):
        plan(logged, WISH)


def test_features_that_the_log_lacks_are_named(logged: Logged) -> None:
    decisions = logged.decide(clicks_of(20), "faulty", in_decisions=False)
    late = [one for one in decisions if one.source_partition == 0]
    last = max(one.source_offset for one in late)
    logged.write_rows(
        [replace(one, source_offset=last + 1 + number) for number, one in enumerate(late)],
        features_of(len(late), 5),
        wide=40,
    )
    logged.flush()

    with pytest.raises(Refused, match="written with the first 40 features"):
        plan(logged, WISH)


def test_other_rule_lists_are_refused_unless_the_logged_rules_are_kept(logged: Logged) -> None:
    write_release_of(logged.models, "no-robots", seed=1, rules_json=b'{"declared_robot": {"substrings": []}}')
    logged.decide(clicks_of(200), "faulty")

    with pytest.raises(Refused, match="--keep-rules"):
        plan(logged, with_(WISH, model="no-robots"))

    assert plan(logged, with_(WISH, model="no-robots", keep_rules=True)).job.keep_rules


def test_what_expired_is_named_and_left_out_only_if_asked(logged: Logged) -> None:
    logged.decide(clicks_of(1_000), "faulty")
    name = topic_name(Topic.FEATURE_LOG, logged.prefix)
    admin = AdminClient(logged.kafka)
    admin.delete_records([TopicPartition(name, 0, 4)])[TopicPartition(name, 0)].result(timeout=30)

    with pytest.raises(Refused, match="partition 0: before 2024-01-01T00:00"):
        plan(logged, WISH)
    left = plan(logged, with_(WISH, allow_gaps=True))

    assert {p: span.first for p, span in left.job.spans.items()} == {0: 200, 1: 0}
    assert [part.partition for part in left.expired] == [0]


def test_a_refused_plan_leaves_nothing(logged: Logged, slidr: Slidr) -> None:
    logged.decide(clicks_of(100), "faulty")

    done = slidr("replay", "plan", "--from", show_time(START_MS), "--model", "no-such-release")

    assert done.returncode == 2
    assert "Releases there: faulty, good" in done.stderr
    assert not Path(logged.environment["SLIDR_REPLAYS_URI"]).exists()


def test_a_second_publication_needs_again_and_the_later_wins(
    logged: Logged, slidr: Slidr, planned: Callable[..., dict[str, Any]]
) -> None:
    since = ("--from", show_time(START_MS))
    live = {one.click_id: one.verdict for one in logged.decide(clicks_of(1_000), "faulty")}
    first, second = planned(*since)["id"], planned(*since, "--model", "faulty")["id"]
    publish = ("--local", "--publish", "--only-changed", "--json")

    done = slidr("replay", "run", first, *publish)
    refused = slidr("replay", "run", second, *publish)
    again = slidr("replay", "run", second, *publish, "--again")

    assert refused.returncode == 1
    assert f"{first} have published over the same clicks. --again" in refused.stderr
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["written"] == json.loads(done.stdout)["written"] > 0
    assert {name: one.verdict for name, one in logged.effective().items()} == live
    assert {one.supersedes for one in logged.records(second)} == {first}


def test_a_plan_is_not_run_with_another_release_of_the_same_name(
    logged: Logged, slidr: Slidr, planned: Callable[..., dict[str, Any]]
) -> None:
    logged.decide(clicks_of(100), "faulty")
    replay_id = planned("--from", show_time(START_MS))["id"]
    for file in (logged.models / "good").iterdir():
        file.unlink()
    (logged.models / "good").rmdir()
    write_release_of(logged.models, "good", seed=9)

    done = slidr("replay", "run", replay_id, "--local", "--publish")

    assert done.returncode == 1
    assert "not the one that was planned with" in done.stderr
    assert logged.records(replay_id) == []
