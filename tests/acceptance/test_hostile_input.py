"""Nothing that a record can contain stops the stream, and nothing good is lost beside it."""

import json
from typing import Any

from billing.snapshot import read_all_effective
from contracts.topics import Topic
from tests.acceptance.deployment import Deployment, status_json
from tests.builders import START_MS, click

GOOD = {name: getattr(click(), name) for name in click().__struct_fields__}


def as_json(**fields: Any) -> bytes:
    return json.dumps({**GOOD, **fields}).encode()


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in GOOD.items() if key != name}).encode()


# (record, path in the dead letter)
HOSTILE: list[tuple[bytes, str]] = [
    (b"", "$"),
    (b"\xff\xfe\x00", "$"),
    (as_json()[:-20], "$"),
    (as_json() + b"}", "$"),
    (b"null", "$"),
    (b"[]", "$"),
    (b"[" * 200_000, "$"),
    (b'{"extra":' + b"[" * 200_000, "$"),
    (as_json().replace(b'"click-1"', b'"\xff"'), "$"),
    (as_json(ip="x\ud800y"), "$"),
    (as_json(cost_micros=float("nan")), "$"),
    (as_json(cost_micros=-1), "$.cost_micros"),
    (as_json(cost_micros="12"), "$.cost_micros"),
    (as_json(cost_micros=1e300), "$.cost_micros"),
    (as_json(cost_micros=10**40), "$.cost_micros"),
    (as_json(clicked_at_ms=-5), "$.clicked_at_ms"),
    (as_json(clicked_at_ms=START_MS // 1000), "$.clicked_at_ms"),
    (as_json(clicked_at_ms=START_MS * 1000), "$.clicked_at_ms"),
    (as_json(clicked_at_ms=None), "$.clicked_at_ms"),
    (as_json(logged_in=1), "$.logged_in"),
    (as_json(device="fridge"), "$.device"),
    (as_json(click_id=""), "$.click_id"),
    (as_json(click_id="x" * 129), "$.click_id"),
    (as_json(session_id=None), "$.session_id"),
    (as_json(currency="EURO"), "$.currency"),
    (as_json(currency="EUR\n"), "$.currency"),
    (as_json(utc_offset_min=10_000), "$.utc_offset_min"),
    (as_json(user_agent="x" * 900_000), "$.user_agent"),
    (without("ip"), "$.ip"),
    (without("campaign_id"), "$.campaign_id"),
]


def good(number: int) -> bytes:
    return as_json(click_id=f"good-{number}", user_id=f"user-{number % 7}", unknown_field={"is": "ignored"})


def test_every_good_click_is_decided_and_every_bad_record_parked(deployment: Deployment) -> None:
    records = [record for i, (bad, _) in enumerate(HOSTILE) for record in (good(i), bad)]
    worker = deployment.start_worker()

    deployment.send([("k", record, START_MS) for record in records], partition=2)
    deployment.wait_decided()

    decided = [decision.click_id for _, decision in deployment.decisions()]
    assert decided == [f"good-{i}" for i in range(len(HOSTILE))]
    parked = deployment.dead_letters()
    assert [headers["path"] for _, headers in parked] == [path for _, path in HOSTILE]
    assert [value for value, _ in parked] == [bad[: 64 * 1024] for bad, _ in HOSTILE]
    assert all(headers["reason"] and headers["source-partition"] == "2" for _, headers in parked)
    assert worker.ready()


def test_absurdly_late_and_early_clicks_are_decided_flagged_and_counted_nowhere(deployment: Deployment) -> None:
    day_ms = 24 * 3_600_000
    times = [START_MS, START_MS - day_ms - 1, START_MS + 300_001, START_MS + 1]
    records = [as_json(click_id=f"c{i}", clicked_at_ms=time_ms) for i, time_ms in enumerate(times)]
    deployment.start_worker()

    deployment.send([("k", record, START_MS) for record in records], partition=0)
    deployment.wait_decided()

    rows = deployment.feature_rows()
    assert [row["flags"] for row in rows] == [0, 1, 2, 0]
    assert [row["features"][0] for row in rows] == [1.0, 0.0, 0.0, 2.0]


def test_a_repeated_click_id_is_decided_at_each_offset_and_billed_once(deployment: Deployment) -> None:
    records = [as_json(click_id="twice"), as_json(click_id="once"), as_json(click_id="twice", cost_micros=7)]
    deployment.start_worker()

    deployment.send([("k", record, START_MS) for record in records], partition=1)
    deployment.wait_decided()

    assert [decision.source_offset for _, decision in deployment.decisions()] == [0, 1, 2]
    effective = read_all_effective(deployment.kafka, deployment.prefix)
    assert {click_id: decision.source_offset for click_id, decision in effective.items()} == {"twice": 0, "once": 1}
    assert deployment.conservation().total.repeated_click_ids == 1


def test_too_many_bad_records_pause_their_partition_only(deployment: Deployment) -> None:
    worker = deployment.start_worker(SLIDR_DEAD_LETTER_LIMIT_RATIO="0.2")
    deployment.wait(worker.ready)

    deployment.send([("k", b"no click", START_MS)] * 3_000, partition=3)
    deployment.wait(lambda: not worker.ready())
    deployment.send([("k", good(i), START_MS) for i in range(50)], partition=0)
    deployment.wait(lambda: sum(1 for _ in deployment.read(Topic.DECISIONS)) == 50)

    assert len(deployment.dead_letters()) < 3_000
    assert any("clicks[3] is paused" in problem for problem in status_json(worker)["problems"])
