"""The feature matrix, row by row, against the words of the feature table."""

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import Click
from contracts.features import (
    DISTINCT,
    DISTINCT_WINDOWS,
    FEATURE_IDS,
    FEATURE_INDEX,
    FEATURES,
    NO_GAP,
    WINDOWS_MS,
    Feature,
)
from features.answers import ANSWER, ANSWER_BYTES, UNSEEN_ANSWER, split_answers
from features.sketches import SLOTS, estimate
from features.vector import SESSION_CLICKS_1H, feature_matrix
from tests.builders import START_MS, click

WINDOWS = list(WINDOWS_MS)
MINUTES = {"1m": 1, "10m": 10, "1h": 60, "24h": 1440}
COUNTED = ("clicks", "rate", "burst", "gap")


def answer_from(seed: int) -> np.void:
    rng = np.random.default_rng(seed)
    answer = np.zeros((), ANSWER)
    for name in ANSWER.names or ():
        field = ANSWER[name]
        is_count = field.base == np.float32
        answer[name] = rng.uniform(1, 500, field.shape) if is_count else rng.integers(0, SLOTS + 1, field.shape)
    return answer[()]


def expected_row(answer: np.void, one: Click) -> dict[str, float]:
    row = {feature.id: counted(answer, feature) for feature in FEATURES if feature.kind in COUNTED}
    occupied = [*answer["account_occupied"], *answer["ip_occupied"]]
    names = [f"{entity}_distinct_{what}_{window}" for entity, what in DISTINCT for window in DISTINCT_WINDOWS]
    row |= {name: estimate(int(slots)) for name, slots in zip(names, occupied, strict=True)}
    local = datetime.fromtimestamp(one.clicked_at_ms / 1000, timezone(timedelta(minutes=one.utc_offset_min or 0)))
    day = (local.hour + local.minute / 60 + local.second / 3600) / 24
    week = (local.weekday() + day) / 7
    row |= {"hour_sin": math.sin(2 * math.pi * day), "hour_cos": math.cos(2 * math.pi * day)}
    row |= {"weekday_sin": math.sin(2 * math.pi * week), "weekday_cos": math.cos(2 * math.pi * week)}
    return {**row, "logged_in": float(one.logged_in)}


def counted(answer: np.void, feature: Feature) -> float:
    *counts, gap_s = (float(number) for number in answer[feature.entity])
    per_min = {name: count / MINUTES[name] for name, count in zip(WINDOWS, counts, strict=True)}
    match feature.kind:
        case "clicks":
            return per_min[feature.window] * MINUTES[feature.window]
        case "rate":
            return per_min[feature.window]
        case "burst":
            return per_min[feature.window] / per_min[feature.base] if per_min[feature.base] else 0.0
    return gap_s


clicks = st.builds(
    click,
    clicked_at_ms=st.integers(1_500_000_000, 1_900_000_000).map(lambda s: s * 1_000),
    utc_offset_min=st.none() | st.integers(-1_080, 1_080),
    logged_in=st.booleans(),
)


@given(st.lists(st.tuples(st.integers(0, 1_000), clicks), max_size=6))
def test_every_feature_is_what_its_row_of_the_table_says(rows: list[tuple[int, Click]]) -> None:
    given_answers = [answer_from(seed) for seed, _ in rows]

    matrix = feature_matrix(b"".join(answer.tobytes() for answer in given_answers), [one for _, one in rows])

    assert matrix.shape == (len(rows), len(FEATURES))
    assert matrix.dtype == np.float32
    for vector, answer, (_, one) in zip(matrix, given_answers, rows, strict=True):
        expected = expected_row(answer, one)
        assert list(vector) == pytest.approx([expected[name] for name in FEATURE_IDS], rel=1e-5, abs=1e-5)


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    pairs = [(answer_from(seed), click(clicked_at_ms=START_MS + seed)) for seed in range(40)]

    together = feature_matrix(b"".join(answer.tobytes() for answer, _ in pairs), [one for _, one in pairs])

    alone = [feature_matrix(answer.tobytes(), [one]) for answer, one in pairs]
    assert together.tobytes() == np.concatenate(alone).tobytes()


def test_the_answer_to_an_uncounted_click_gives_zeros_and_no_gap() -> None:
    row = feature_matrix(UNSEEN_ANSWER, [click(logged_in=False)])[0]

    for feature in FEATURES:
        if feature.kind != "calendar":
            assert row[FEATURE_INDEX[feature.id]] == (NO_GAP if feature.kind == "gap" else 0.0)


def test_monday_midnight_is_where_the_week_begins() -> None:
    monday = datetime(2024, 1, 1, tzinfo=UTC)
    row = feature_matrix(UNSEEN_ANSWER, [click(clicked_at_ms=int(monday.timestamp() * 1000))])[0]

    assert [row[FEATURE_INDEX[name]] for name in ("hour_sin", "weekday_sin")] == pytest.approx([0.0, 0.0], abs=1e-6)
    assert [row[FEATURE_INDEX[name]] for name in ("hour_cos", "weekday_cos")] == pytest.approx([1.0, 1.0])


def test_the_session_column_is_the_sessions_clicks_in_1_h() -> None:
    answer = answer_from(3)

    matrix = feature_matrix(answer.tobytes(), [click()])

    assert matrix[0, SESSION_CLICKS_1H] == answer["session"][2]


def test_answers_are_108_bytes_one_behind_the_other() -> None:
    assert ANSWER_BYTES == ANSWER.itemsize == len(UNSEEN_ANSWER) == 108
    assert split_answers(UNSEEN_ANSWER + b"x" * 108) == [UNSEEN_ANSWER, b"x" * 108]
