"""What is counted by columns is what counting row by row gives; a sample of clicks is a fair one."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from contracts import feature_log
from contracts.events import Decision, Verdict
from contracts.feature_log import Flag
from contracts.features import FEATURE_IDS
from guardrails.sentinel.state import HOUR_MS, MINUTE_MS, Counts, Tail
from streams.recent_clicks import RecentClicks
from streams.sentinel_rows import Rows, Sources, rows_of, summary_of
from tests.builders import START_MS, decision

VERDICTS: tuple[Verdict, ...] = ("valid", "invalid")


@dataclass
class FakeMessage:
    """A message of the feature log."""

    body: bytes
    shadow: str | None = None
    number: int = 0
    topic_id: str = "topic-1"

    def value(self) -> bytes:
        return self.body

    def headers(self) -> list[tuple[str, bytes]]:
        found = [("schema", feature_log.schema_id().encode()), ("clicks-topic-id", self.topic_id.encode())]
        return [*found, ("shadow", self.shadow.encode())] if self.shadow else found

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.number


def message(
    decisions: list[Decision],
    shadow: list[Verdict] | None = None,
    busy: list[bool] | None = None,
    flags: list[int] | None = None,
    **more: Any,
) -> Any:
    n = len(decisions)
    body = feature_log.encode(
        decisions,
        np.zeros((n, len(FEATURE_IDS)), np.float32),
        [bytes(16)] * n,
        np.array([6 if one else 5 for one in busy or [False] * n], np.float32),
        flags or [0] * n,
        None if shadow is None else ([0.5] * n, shadow),
    )
    return FakeMessage(body, "stable" if shadow is not None else None, **more)


def rows(*messages: Any, sources: Sources | None = None) -> list[Rows]:
    return list(rows_of(messages, sources or Sources({}, {}), busy_over=5))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["mobile|user", "desktop|guest", "app|user"]),
            st.integers(0, 3 * HOUR_MS),
            st.sampled_from(VERDICTS),
            st.sampled_from(VERDICTS),
            st.booleans(),
            st.booleans(),
            st.sampled_from([0, int(Flag.COLD), int(Flag.UNCOUNTED_LATE), int(Flag.UNCOUNTED_FUTURE)]),
        ),
        min_size=1,
        max_size=60,
    ),
    st.booleans(),
)
def test_columns_count_what_rows_count(
    clicks: list[tuple[str, int, Verdict, Verdict, bool, bool, int]], paired: bool
) -> None:
    decisions = [
        decision(
            slice=slice_,
            clicked_at_ms=START_MS + at_ms,
            verdict=verdict,
            rules=("double_click",) if ruled else (),
            source_offset=offset,
        )
        for offset, (slice_, at_ms, verdict, _, ruled, *_) in enumerate(clicks)
    ]
    *_, shadow, _, busy, flags = (list(column) for column in zip(*clicks, strict=True))

    found = rows(message(decisions, shadow if paired else None, busy, flags))

    minutes: dict[int, dict[str, Counts]] = {}
    hours: dict[int, dict[str, Tail]] = {}
    for slice_, at_ms, verdict, other, ruled, is_busy, flag in clicks:
        if flag in (0, Flag.COLD):
            mine, theirs = verdict == "invalid", paired and other == "invalid"
            one = Counts(1, mine, paired, theirs, paired and mine and not theirs, theirs and not mine, theirs and ruled)
            minute = minutes.setdefault((START_MS + at_ms) // MINUTE_MS, {})
            minute[slice_] = minute.get(slice_, Counts()).plus(one)
            hour = hours.setdefault((START_MS + at_ms) // HOUR_MS, {})
            hour[slice_] = hour.get(slice_, Tail()).plus(Tail(is_busy, is_busy and mine))
    summary = summary_of(found[0]) if found else None
    assert (summary.minutes if summary else {}) == minutes
    assert (summary.hours if summary else {}) == hours
    assert summary is None or START_MS <= summary.first_ms <= summary.last_ms <= START_MS + 3 * HOUR_MS


def test_a_click_with_a_time_of_its_own_does_not_move_the_stream() -> None:
    clicks = [decision(clicked_at_ms=START_MS + 10 * n, source_offset=n) for n in range(999)]
    clicks.append(decision(clicked_at_ms=START_MS + 5 * MINUTE_MS, source_offset=999))

    summary = summary_of(rows(message(clicks))[0])

    assert abs(summary.first_ms - START_MS) < 200
    assert abs(summary.last_ms - START_MS - 9_990) < 200


def test_rows_are_kept_apart_by_the_releases_that_judged_them() -> None:
    first = message([decision(model_version="a", source_offset=0)])
    second = message([decision(model_version="b", source_offset=1)], ["valid"])
    third = message([decision(model_version="b", source_offset=2)])

    assert [(one.version, one.shadow) for one in rows(first, second, third)] == [
        ("a", None),
        ("b", "stable"),
        ("b", None),
    ]


def test_offsets_begin_again_when_clicks_was_made_anew() -> None:
    sources = Sources({}, {})
    old = message([decision(source_offset=offset) for offset in (7, 8)])

    before = rows(old, old, sources=sources)
    after = rows(message([decision(source_offset=0)], topic_id="topic-2"), sources=sources)

    assert [len(one.at_ms) for one in (*before, *after)] == [2, 1]


def test_a_replays_rows_are_left_out() -> None:
    assert rows(message([decision(run="replay-1", revision=4)])) == []


def recent(offsets: range, invalid_every: int = 4) -> Rows:
    n = len(offsets)
    flags = np.zeros(n, bool)
    return Rows(
        version="a",
        shadow=None,
        click_ids=pa.chunked_array([[f"click-{offset}" for offset in offsets]]),
        offsets=np.array(offsets, np.int64),
        slices=["mobile|user"],
        slice_index=np.zeros(n, np.int64),
        at_ms=START_MS + 1000 * np.array(offsets, np.int64),
        invalid=np.array([offset % invalid_every == 0 for offset in offsets]),
        paired=flags,
        shadow_invalid=flags,
        ruled=flags,
        busy=flags,
    )


def test_a_purchase_finds_its_click_once_and_in_time() -> None:
    clicks = RecentClicks(keep_ms=60_000)
    clicks.add(recent(range(3)), START_MS + 3_000)

    assert clicks.take("click-0", START_MS + 60_000) is not None
    assert clicks.take("click-0", START_MS + 60_000) is None  # one click is one purchasing click
    assert clicks.take("click-1", START_MS + 500) is None  # bought before it was made
    assert clicks.take("click-2", START_MS + 62_001) is None  # too late to count
    assert clicks.take("click-9", START_MS) is None


def test_clicks_are_forgotten_when_no_purchase_can_count_for_them() -> None:
    clicks = RecentClicks(keep_ms=10_000)

    clicks.add(recent(range(100)), START_MS + 99_000)

    assert len(clicks) == 11


def test_memory_is_bounded_and_a_rate_stays_what_it_is() -> None:
    clicks = RecentClicks(keep_ms=10**9, most=1_000)

    for first in range(0, 30_000, 1_000):
        # a quarter is invalid, whatever the offset's last bits are
        made = recent(range(first, first + 1_000))
        clicks.add(made._replace(invalid=np.random.default_rng(first).random(1_000) < 0.25), START_MS)
        assert len(clicks) <= 1_000

    found = [clicks.take(f"click-{offset}", START_MS + 10**8) for offset in range(30_000)]
    kept = Counter(one.invalid for one in found if one)
    assert kept.total() > 400
    assert abs(kept[True] / kept.total() - 0.25) < 0.08
