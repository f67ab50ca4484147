"""The commands around the worker: traffic in, the bill out, and one click explained."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import Result
from confluent_kafka import Producer
from typer.testing import CliRunner

from billing.log import open_consumer, scan, whole_log
from contracts import feature_log
from contracts.errors import Misconfigured, Refused
from contracts.events import Click, Decision, Purchase, ReleaseEvent
from contracts.feature_log import Flag
from contracts.features import FEATURE_IDS
from contracts.topics import Topic, topic_name
from slidr.commands import app
from slidr.servers import KafkaServer
from slidr.times import parse_time, show_time
from streams.topic_admin import create_topics
from tests.builders import START_MS, decision
from tests.processes import start_slidr

NOW_MS = 1_717_243_200_000  # 2024-06-01T12:00:00Z
CSV = """\
id,at,who,ip,agent,price,bought
a,2024-06-01 10:00:00,u1,203.0.113.7,Mozilla/5.0,0.25,no
b,2024-06-01 10:00:01,u2,203.0.113.8,Mozilla/5.0,0.25,yes
c,noon,u3,203.0.113.9,Mozilla/5.0,0.25,no
"""
MAPPING = """
purchase_if = { column = "bought", values = ["yes"] }
[click]
click_id = { column = "id" }
clicked_at_ms = { column = "at", time = "%Y-%m-%d %H:%M:%S" }
user_id = { column = "who" }
session_id = { column = "who" }
logged_in = { value = true }
ip = { column = "ip" }
user_agent = { column = "agent" }
device = { value = "desktop" }
advertiser_id = { value = "adv" }
campaign_id = { value = "camp" }
cost_micros = { column = "price", money = "units" }
currency = { value = "EUR" }
[purchase]
purchase_id = { template = "p-{id}" }
purchased_at_ms = { column = "at", time = "%Y-%m-%d %H:%M:%S" }
value_micros = { value = 1 }
currency = { value = "EUR" }
user_id = { click = "user_id" }
"""

Run = Callable[..., Result]
Write = Callable[..., None]
WaitUntil = Callable[[Callable[[], object]], None]


@pytest.fixture
def deployment(kafka: KafkaServer, topic_prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Prefix of a deployment's topics, named by the settings."""
    for name in [name for name in os.environ if name.startswith("SLIDR_") and name != "SLIDR_CACHE_DIR"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("SLIDR_KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    monkeypatch.setenv("SLIDR_TOPIC_PREFIX", topic_prefix)
    create_topics({"bootstrap.servers": kafka.bootstrap_servers}, topic_prefix, 2, keep_forever=True)
    return topic_prefix


@pytest.fixture
def run(deployment: str) -> Run:
    """Run a command of slidr; its errors are raised."""

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, arguments, catch_exceptions=False)

    return invoke


@pytest.fixture
def write(kafka: KafkaServer, deployment: str) -> Write:
    """Append a record to a partition of a topic; decisions have their click_id as key."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "enable.idempotence": True})

    def append(topic: Topic, partition: int, value: bytes, **rest: Any) -> None:
        producer.produce(topic_name(topic, deployment), value, partition=partition, **rest)
        assert producer.flush(30) == 0

    return append


def write_decision(write: Write, **fields: Any) -> Decision:
    made = decision(**fields)
    write(Topic.DECISIONS, made.source_partition, msgspec.json.encode(made), key=made.click_id)
    return made


# -- import and simulate


def test_a_csv_file_is_imported_by_its_mapping_and_the_bad_row_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text(CSV)
    (tmp_path / "map.toml").write_text(MAPPING)

    result = run("import", "csv", str(tmp_path / "shop.csv"), "--map", str(tmp_path / "map.toml"), "--json")

    summary = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (summary["rows"], summary["clicks"], summary["purchases"], summary["bad_rows"]) == (3, 2, 1, 1)
    assert "shop.csv:4: clicked_at_ms: at is 'noon'" in result.stderr


def test_more_bad_rows_than_allowed_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text(CSV)
    (tmp_path / "map.toml").write_text(MAPPING)

    with pytest.raises(Refused, match="More than 0 rows are bad; the import stopped at row 3"):
        run("import", "csv", str(tmp_path / "shop.csv"), "--map", str(tmp_path / "map.toml"), "--max-bad-rows", "0")


@pytest.mark.parametrize("speed", ["fast", "0", "-1", "inf", "nan"])
def test_a_speed_that_is_none_is_refused(run: Run, speed: str) -> None:
    with pytest.raises(Misconfigured, match="expected max, or a number above 0"):
        run("import", "talkingdata", "any.csv", "--speed", speed)


def test_simulated_traffic_is_in_kafka_and_its_truth_in_a_file_of_its_own(
    run: Run, kafka: KafkaServer, deployment: str, tmp_path: Path
) -> None:
    truth = tmp_path / "truth.jsonl"
    arguments = ["--clicks-per-s", "400", "--duration-s", "1.5", "--purchase-delay-s", "0.1", "--truth", str(truth)]
    before_ms = time.time() * 1000

    result = run("simulate", *arguments, "--json")

    summary = json.loads(result.stdout)
    clicks = read_events(kafka, deployment, Topic.CLICKS, Click)
    truths = [json.loads(line) for line in truth.read_text().splitlines()]
    assert len(clicks) == summary["clicks"] > 300
    assert sorted(c.click_id for c in clicks) == sorted(t["click_id"] for t in truths)
    assert sum(t["robot"] for t in truths) == summary["robot_clicks"] > 0
    assert all(before_ms < c.clicked_at_ms < time.time() * 1000 for c in clicks)
    bought_ms = [p.purchased_at_ms for p in read_events(kafka, deployment, Topic.PURCHASES, Purchase)]
    assert len(bought_ms) == summary["purchases"]
    # Purchases of a month ago are there too, and made no click late.
    assert min(bought_ms) < before_ms - 20 * 86_400_000
    assert summary["late_ms_worst"] < 60_000


def test_ctrl_c_ends_the_simulation_and_what_was_sent_is_confirmed(
    kafka: KafkaServer, deployment: str, wait_until: WaitUntil, tmp_path: Path
) -> None:
    arguments = ("simulate", "--duration-s", "600", "--clicks-per-s", "50", "--json")
    with start_slidr(arguments, os.environ, tmp_path) as process:
        wait_until(lambda: read_events(kafka, deployment, Topic.CLICKS, Click))
        process.send_signal(signal.SIGINT)
        code = process.wait(60)

    assert code == 0
    assert json.loads(process.stdout.read_text())["clicks"] == len(read_events(kafka, deployment, Topic.CLICKS, Click))


def read_events(kafka: KafkaServer, prefix: str, topic: Topic, kind: type[Any]) -> list[Any]:
    consumer, name = open_consumer({"bootstrap.servers": kafka.bootstrap_servers}), topic_name(topic, prefix)
    parts = scan(consumer, name, whole_log(consumer, name))
    found = [msgspec.json.decode(record.value() or b"", type=kind) for part in parts for record in part]
    consumer.close()
    return found


# -- the bill


def test_the_tail_says_what_each_decision_does_to_the_bill(run: Run, write: Write) -> None:
    write_decision(write, click_id="a", source_offset=0)
    write_decision(write, click_id="b", source_offset=1, verdict="invalid", score=0.75)
    write_decision(write, click_id="a", source_offset=0)
    write_decision(write, click_id="b", source_offset=1, run="r1", revision=4, supersedes="live")

    result = run("decisions", "tail", "--until-end", "--json")

    *lines, summary = map(json.loads, result.stdout.splitlines())
    assert [(line["effect"], line["decision"]["click_id"], line["decision"]["revision"]) for line in lines] == [
        ("billed", "a", 0), ("billed", "b", 0), ("corrected", "b", 4),
    ]  # fmt: skip
    assert summary["summary"]["effects"] == {"billed": 2, "corrected": 1, "duplicate": 1}
    assert summary["summary"]["charges"][0]["charged_micros"] == 500_000


def test_a_ledger_goes_on_where_the_last_call_ended(run: Run, write: Write, tmp_path: Path) -> None:
    ledger = str(tmp_path / "bill.sqlite")
    write_decision(write, click_id="a", source_offset=0)
    run("decisions", "tail", "--until-end", "--ledger", ledger)
    write_decision(write, click_id="b", source_offset=1)

    result = run("decisions", "tail", "--until-end", "--ledger", ledger)

    assert "billed" in result.stdout
    assert " b advertiser-1 " in result.stdout
    assert " a advertiser-1 " not in result.stdout
    assert "0.5000 EUR for 2 valid clicks" in result.stdout


def test_a_start_is_not_for_a_ledger_that_has_positions(run: Run, write: Write, tmp_path: Path) -> None:
    ledger = str(tmp_path / "bill.sqlite")
    run("decisions", "tail", "--until-end", "--ledger", ledger, "--summary")
    write_decision(write)
    run("decisions", "tail", "--until-end", "--ledger", ledger)

    with pytest.raises(Misconfigured, match="Leave it out"):
        run("decisions", "tail", "--until-end", "--ledger", ledger, "--from", "earliest")


def test_a_file_that_is_no_ledger_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be taken for one" * 20)

    with pytest.raises(Misconfigured, match="cannot be used as a ledger"):
        run("decisions", "tail", "--until-end", "--ledger", str(tmp_path / "notes.txt"))


# -- audit


def write_feature_row(write: Write, made: Decision, **features: float) -> None:
    """A batch with the decision's row between those of its neighbours."""
    rows = [msgspec.structs.replace(made, source_offset=made.source_offset + step) for step in (-1, 0, 1)]
    matrix = np.zeros((3, len(FEATURE_IDS)), np.float32)
    for name, value in features.items():
        matrix[1, FEATURE_IDS.index(name)] = value
    body = feature_log.encode(rows, matrix, [b"h" * 16] * 3, np.zeros(3), [0, Flag.COLD, 0])
    headers = [
        (feature_log.SCHEMA_HEADER, feature_log.schema_id().encode()),
        (feature_log.FIRST_OFFSET_HEADER, str(rows[0].source_offset).encode()),
        (feature_log.LAST_OFFSET_HEADER, str(rows[-1].source_offset).encode()),
    ]
    write(Topic.FEATURE_LOG, made.source_partition, body, headers=headers)


def test_an_audit_tells_records_reason_features_and_release(run: Run, write: Write) -> None:
    promoted = ReleaseEvent("promote", "v7", -1, START_MS, "alice", "caught more robots")
    write(Topic.MODEL_RELEASES, 0, msgspec.json.encode(promoted))
    live = write_decision(
        write, click_id="c-91", source_partition=1, source_offset=20, verdict="invalid", reason="model",
        score=0.912345, threshold=0.871, slice="mobile/out", model_version="v7",
    )  # fmt: skip
    for offset in (10, 20, 30):
        write_feature_row(write, msgspec.structs.replace(live, source_offset=offset), account_clicks_1m=offset + 0.5)
    write_decision(write, click_id="c-92", source_partition=1, source_offset=21)
    write_decision(write, click_id="c-91", source_partition=1, source_offset=20)

    result = run("audit", "c-91")

    assert "Click c-91 is invalid: 0.2500 EUR are not charged to advertiser-1" in result.stdout
    assert "reached the threshold of slice mobile/out (0.912345 >= 0.871); no rule fired." in result.stdout
    assert "Record 1 of 2, which stands: invalid" in result.stdout
    assert "Record 2 of 2: valid\n  changed nothing: the same record again" in result.stdout
    assert "Release event 0, 2024-01-01T00:00:00.000Z: promote of v7 by alice: caught more robots" in result.stdout
    assert "No release event names pass-through" in result.stdout
    assert "still being counted again" in result.stdout
    assert any(line.split() == ["account_clicks_1m", "20.5000", "clicks"] for line in result.stdout.splitlines())


def test_an_audit_shows_that_a_correction_stands(run: Run, write: Write) -> None:
    write_decision(write, click_id="c", verdict="invalid", rules=("double_click", "stale_click"), reason="double_click")
    write_decision(write, click_id="c", run="replay-1", revision=9, supersedes="live")

    found = json.loads(run("audit", "c", "--json").stdout)
    text = run("audit", "c").stdout

    assert [(r["effect"], r["stands"], r["decision"]["verdict"]) for r in found["records"]] == [
        ("billed", False, "invalid"), ("corrected", True, "valid"),
    ]  # fmt: skip
    assert found["features"] is None
    assert "Click c is valid: 0.2500 EUR are charged" in text
    assert "replay-1, supersedes live, revision 9" in text
    assert "double_click, stale_click" in text
    assert "does not hold the click's row" in text


def test_a_click_without_decision_in_the_time_searched_is_refused_with_a_sentence(run: Run, write: Write) -> None:
    write_decision(write, click_id="c")

    with pytest.raises(Refused, match=r"No decision on click c was written between 2020-.* and 2020-.*--from and --to"):
        run("audit", "c", "--from", "2020-01-01", "--to", "2020-01-02")


# -- times


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("90min", NOW_MS - 5_400_000),
        ("24h", NOW_MS - 86_400_000),
        ("7d", NOW_MS - 7 * 86_400_000),
        ("30s", NOW_MS - 30_000),
        ("2024-06-01T12:00", NOW_MS),
        ("2024-06-01T14:00+02:00", NOW_MS),
        ("2024-06-01", NOW_MS - 43_200_000),
    ],
)
def test_times_are_absolute_or_ago(text: str, expected_ms: int) -> None:
    assert parse_time(text, NOW_MS) == expected_ms


@pytest.mark.parametrize("text", ["", "h", "soon", "-5h", "2024-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="is no time; expected"):
        parse_time(text, NOW_MS)


def test_times_are_shown_in_utc_to_the_millisecond() -> None:
    assert show_time(NOW_MS + 7) == "2024-06-01T12:00:00.007Z"
