"""Scores of labelled files, column by column, and what the network is compared with."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from contracts.errors import BadInput, Refused
from contracts.features import FEATURE_IDS, FEATURE_INDEX, FEATURES
from contracts.ports import FloatMatrix
from model.baselines import NAMES, VelocityScorer, contender, found_at, shapes, velocity_rule
from model.decide import written_scores
from model.evaluate import area_under_curve
from model.reading import Labelled
from model.schedule import Schedule
from model.scorer import OnnxScorer
from model.scoring import score_rows
from tests.model.labelled import MINUTE_MS, labelled_files

RawFeatures = Callable[[int, int], FloatMatrix]
BACKWARD = FEATURE_IDS[::-1]


@pytest.fixture
def rows(tmp_path: Path, raw_features: RawFeatures) -> Labelled:
    """1,000 clicks whose columns all differ."""
    every = np.arange(1000)
    return labelled_files(
        tmp_path / "rows",
        raw_features(1000, 1),
        every % 2,
        kinds=["human" if i % 3 else "burst" for i in every],
        slice=pa.array([("app|guest", "mobile|user")[i // 300 % 2] for i in every]).dictionary_encode(),
        hour_of_week=(every % 168).astype(np.int16),
        purchasing=every % 5 == 0,
        by_rules=every % 7 == 0,
        session_clicks_1h=every.astype(np.float32),
    )


def test_every_column_is_that_of_the_files_and_the_score_is_the_written_one(
    rows: Labelled, raw_features: RawFeatures, onnx_model: bytes
) -> None:
    scorer, told = OnnxScorer(onnx_model), []

    scored = score_rows(rows, scorer, BACKWARD, on_rows=told.append)

    every = np.arange(1000)
    assert (scored.score == written_scores(scorer.score(raw_features(1000, 1)[:, ::-1]))).all()
    assert [scored.slices[i] for i in scored.slice_index[[0, 299, 300, 600]]] == [
        "app|guest",
        "app|guest",
        "mobile|user",
        "app|guest",
    ]
    assert scored.kinds is not None
    assert scored.kind_index is not None
    assert [scored.kinds[i] for i in scored.kind_index[:4]] == ["burst", "human", "human", "burst"]
    assert (scored.purchasing == (every % 5 == 0)).all()
    assert (scored.by_rules == (every % 7 == 0)).all()
    assert (scored.session_clicks_1h == every).all()
    assert (scored.hour_of_week == every % 168).all()
    assert (np.diff(scored.clicked_at_ms) == MINUTE_MS).all()
    assert told == [256, 512, 768, 1000]


def test_a_part_of_the_time_without_the_truth(rows: Labelled, onnx_model: bytes) -> None:
    rows = replace(rows, with_kinds=False)
    start_ms = rows.groups[0].first_ms

    part = rows.between(start_ms + 10 * MINUTE_MS, start_ms + 600 * MINUTE_MS)
    scored = score_rows(part, OnnxScorer(onnx_model), BACKWARD)

    assert scored.session_clicks_1h.tolist() == list(range(10, 600))
    assert scored.kinds is None
    assert scored.kind_index is None
    assert len(scored.score) == len(scored.clicked_at_ms) == 590


def test_a_slice_that_nobody_knows_is_refused(tmp_path: Path, raw_features: RawFeatures, onnx_model: bytes) -> None:
    strange = pa.array(["mobile|user", "fridge|user"] * 50).dictionary_encode()
    rows = labelled_files(tmp_path / "rows", raw_features(100, 1), np.arange(100) % 2, slice=strange)

    with pytest.raises(BadInput, match=r"unknown slices: fridge\|user\. Expected: desktop\|user, "):
        score_rows(rows, OnnxScorer(onnx_model), BACKWARD)


def test_nothing_to_score_is_refused(rows: Labelled, onnx_model: bytes) -> None:
    with pytest.raises(Refused, match="nothing to score"):
        score_rows(rows.between(0, 5), OnnxScorer(onnx_model), BACKWARD)


def test_the_velocity_rule_takes_the_counter_that_finds_most(raw_features: RawFeatures, tmp_path: Path) -> None:
    features = raw_features(3000, 1)
    robot = np.random.default_rng(2).random(3000) < 0.3
    features[:, FEATURE_INDEX["ip_ua_clicks_1h"]] *= np.where(robot, 100, 1)

    rule = velocity_rule(labelled_files(tmp_path / "rows", features, robot), fpr_budget=0.05, seed=1)

    assert rule.feature_ids == ("ip_ua_clicks_1h",)


def test_a_velocity_score_grows_with_the_count_and_stays_apart_when_written() -> None:
    counts = np.arange(3000, dtype=np.float32)[:, None]

    written = written_scores(VelocityScorer().score(counts))

    assert (np.diff(written) > 0).all()
    assert written[0] == 0
    assert written[-1] < 1


def test_what_is_found_at_a_budget_leaves_the_humans_within_it() -> None:
    count = np.array([1, 2, 3, 4, 3.5, 9, 9, 0.5], np.float32)
    human = np.array([True] * 4 + [False] * 4)

    assert found_at(count, human, fpr_budget=0.25) == 0.75
    assert found_at(count, human, fpr_budget=0.0) == 0.5
    assert found_at(count, human, fpr_budget=1.0) == 1.0


def test_without_entities_only_the_session_and_the_click_itself_are_left() -> None:
    alone = shapes(FEATURE_IDS)["without-entities"].feature_ids

    entities = {FEATURES[FEATURE_INDEX[name]].entity for name in alone}
    assert entities == {"session", "click"}
    assert {shape.weighted for shape in shapes(FEATURE_IDS).values()} == {True, False}


def test_every_baseline_scores_the_same_clicks(raw_features: RawFeatures, tmp_path: Path) -> None:
    """Robots are those who click fast in a session, so that each of them can learn it; the rule looks elsewhere."""
    parts = []
    for name, seed in (("training", 1), ("validation", 2), ("unseen", 3)):
        features = raw_features(2000, seed)
        robot = features[:, FEATURE_INDEX["session_clicks_10m"]] > 3
        parts.append(labelled_files(tmp_path / name, features, robot))
    training, validation, unseen = parts

    schedule = Schedule(max_epochs=12, batch_rows=32)
    found = [contender(name, training, validation, FEATURE_IDS, schedule, fpr_budget=0.05) for name in NAMES]

    scored = {each.name: score_rows(unseen, each.scorer, each.feature_ids) for each in found}
    aucs = {name: area_under_curve(columns.score, ~columns.purchasing) for name, columns in scored.items()}
    assert set(aucs) == {"velocity", "logistic", "without-weights", "without-entities"}
    assert min(auc for name, auc in aucs.items() if name != "velocity") > 0.95
    assert abs(aucs["velocity"] - 0.5) < 0.1
