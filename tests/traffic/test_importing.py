"""Files into Kafka: complete, in time order, at the pace asked for; a second import repeats the click_ids."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import Misconfigured
from contracts.events import Click, Purchase
from contracts.topics import Topic
from tests.builders import START_MS, click, purchase
from tests.traffic.conftest import ReadTopic
from traffic.csv_import import BadRow, Row, convert
from traffic.importing import ImportSummary, import_file, in_time_order
from traffic.pace import time_of
from traffic.publish import Publisher
from traffic.talkingdata import talkingdata_mapping

LINES = [
    "ip,app,device,os,channel,click_time,attributed_time,is_attributed",
    "48997,26,1,19,266,2017-11-07 11:31:45,2017-11-07 11:38:22,1",
    "48997,26,1,19,266,2017-11-07 12:01:45,,0",
    "48997,26,1,19,266,yesterday,,0",
    "48997,27,1,19,266,2017-11-07 12:31:46,,0",
    "48997,27,2,19,266,2017-11-07 12:31:47,2017-11-07 12:40:00,1",
]


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.csv"
    path.write_text("\n".join(LINES))
    return path


def run_import(path: Path, publisher: Publisher, max_bad_rows: int = 10, speed: float | None = None) -> ImportSummary:
    return import_file(path, talkingdata_mapping(), publisher, speed, max_bad_rows, on_bad_row=lambda _: None)


def test_rows_of_talkingdata_become_clicks_sessions_and_purchases() -> None:
    rows = list(convert(LINES, talkingdata_mapping(), "small"))

    clicks = [row.click for row in rows if isinstance(row, Row) and row.click]
    first = 1_510_054_305_000
    assert [(c.click_id, c.user_id, c.session_id, c.clicked_at_ms - first) for c in clicks] == [
        ("small:2", "48997-1-19", "48997-1-19-1510054305", 0),
        ("small:3", "48997-1-19", "48997-1-19-1510054305", 1_800_000),
        ("small:5", "48997-1-19", "48997-1-19-1510057906", 3_601_000),
        ("small:6", "48997-2-19", "48997-2-19-1510057907", 3_602_000),
    ]
    assert (clicks[0].ip, clicks[0].campaign_id, clicks[0].publisher_id) == ("48997", "26", "266")
    purchases = [row.purchase for row in rows if isinstance(row, Row) and row.purchase]
    assert [(p.click_id, p.user_id, p.purchased_at_ms - first) for p in purchases] == [
        ("small:2", "48997-1-19", 397_000),
        ("small:6", "48997-2-19", 4_095_000),
    ]


def test_the_summary_counts_what_is_in_kafka_and_bad_rows_are_told(
    kafka_config: dict[str, str], traffic_prefix: str, read_topic: ReadTopic, small_file: Path
) -> None:
    told: list[BadRow] = []
    publisher = Publisher(kafka_config, traffic_prefix)

    summary = import_file(small_file, talkingdata_mapping(), publisher, None, 10, told.append)

    assert (summary.rows, summary.clicks, summary.purchases, summary.bad_rows) == (5, 4, 2, 1)
    assert not summary.stopped_early
    assert (len(read_topic(Topic.CLICKS)), len(read_topic(Topic.PURCHASES))) == (4, 2)
    assert [bad.line for bad in told] == [4]
    assert told[0].reason.startswith("clicked_at_ms: click_time is 'yesterday'")


def test_a_second_import_repeats_the_same_click_ids(
    kafka_config: dict[str, str], traffic_prefix: str, read_topic: ReadTopic, small_file: Path
) -> None:
    for _ in range(2):
        run_import(small_file, Publisher(kafka_config, traffic_prefix))

    ids = Counter(msgspec.json.decode(m.value() or b"", type=Click).click_id for m in read_topic(Topic.CLICKS))
    assert ids == {"small:2": 2, "small:3": 2, "small:5": 2, "small:6": 2}


def test_an_import_ends_with_the_first_bad_row_past_the_limit(
    kafka_config: dict[str, str], traffic_prefix: str, small_file: Path
) -> None:
    summary = run_import(small_file, Publisher(kafka_config, traffic_prefix), max_bad_rows=0)

    assert summary.stopped_early
    assert (summary.rows, summary.clicks, summary.bad_rows) == (3, 2, 1)


def test_a_multiple_of_the_original_speed_takes_its_time(
    kafka_config: dict[str, str], traffic_prefix: str, read_topic: ReadTopic, small_file: Path
) -> None:
    summary = run_import(small_file, Publisher(kafka_config, traffic_prefix, linger_ms=0), speed=10_000)

    # 4,095 s from the first click to the last purchase.
    assert summary.seconds >= 0.4095
    assert len(read_topic(Topic.PURCHASES)) == 2


def test_a_file_that_does_not_exist_is_named(kafka_config: dict[str, str], traffic_prefix: str) -> None:
    with pytest.raises(Misconfigured, match=r"nowhere\.csv cannot be read: No such file"):
        run_import(Path("nowhere.csv"), Publisher(kafka_config, traffic_prefix))


@given(st.lists(st.tuples(st.integers(0, 20), st.none() | st.integers(0, 40)), max_size=20))
def test_purchases_find_their_place_between_the_clicks(steps: list[tuple[int, int | None]]) -> None:
    rows, at_ms = [], START_MS
    for line, (gap_ms, delay_ms) in enumerate(steps):
        at_ms += gap_ms
        bought = None if delay_ms is None else purchase(purchased_at_ms=at_ms + delay_ms)
        rows.append(Row(line, click(click_id=str(line), clicked_at_ms=at_ms), bought))

    events = list(in_time_order(rows))

    assert all(time_of(earlier) <= time_of(later) for earlier, later in pairwise(events))
    assert [event for event in events if isinstance(event, Click)] == [row.click for row in rows]
    assert Counter(map(time_of, filter(_is_purchase, events))) == Counter(
        row.purchase.purchased_at_ms for row in rows if row.purchase
    )


def _is_purchase(event: Click | Purchase) -> bool:
    return isinstance(event, Purchase)


def test_the_real_slice_is_imported_completely(
    kafka_config: dict[str, str], traffic_prefix: str, read_topic: ReadTopic, talkingdata_file: Path
) -> None:
    summary = run_import(talkingdata_file, Publisher(kafka_config, traffic_prefix), max_bad_rows=0)

    records = read_topic(Topic.CLICKS)
    assert (summary.rows, summary.clicks, summary.purchases, summary.bad_rows) == (100_000, 100_000, 334, 0)
    clicks = [msgspec.json.decode(record.value() or b"", type=Click) for record in records]
    assert len({found.click_id for found in clicks}) == 100_000
    assert len({found.user_id for found in clicks}) == 56_627
    assert all(record.timestamp()[1] == found.clicked_at_ms for record, found in zip(records, clicks, strict=True))
    assert len(read_topic(Topic.PURCHASES)) == 334
