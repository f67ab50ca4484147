"""The feature table only grows at its end: releases, the feature log and the archive know features by their place."""

from pathlib import Path

from contracts.features import COUNTED_ENTITIES, DISTINCT, FEATURE_IDS, FEATURE_INDEX, FEATURES, WINDOWS_MS

# One line a feature, in order. Rows that are new in the table are appended here too; no line is ever changed.
PINNED = Path(__file__).with_name("features.tsv")


def test_rows_are_only_appended() -> None:
    pinned = PINNED.read_text().splitlines()
    rows = ["\t".join(feature) for feature in FEATURES]

    assert rows[: len(pinned)] == pinned, "a row was changed, moved or removed"
    assert rows == pinned, f"append the new rows to {PINNED}"


def test_a_feature_is_known_by_one_id_and_one_place() -> None:
    assert len(set(FEATURE_IDS)) == len(FEATURES)
    assert [FEATURE_INDEX[feature_id] for feature_id in FEATURE_IDS] == list(range(len(FEATURES)))


def test_every_row_names_windows_and_entities_that_exist() -> None:
    for feature in FEATURES:
        assert feature.window in {"", *WINDOWS_MS}
        assert feature.base in {"", *WINDOWS_MS}
        assert feature.entity in {*COUNTED_ENTITIES, "click"}


def test_a_burst_compares_a_short_window_with_a_longer_one() -> None:
    bursts = [feature for feature in FEATURES if feature.kind == "burst"]

    assert bursts
    assert all(WINDOWS_MS[feature.window] < WINDOWS_MS[feature.base] for feature in bursts)


def test_what_is_counted_without_repetition_has_a_feature_for_each_window() -> None:
    distinct = {(feature.entity, feature.of, feature.window) for feature in FEATURES if feature.kind == "distinct"}

    assert distinct == {(entity, what, window) for entity, what in DISTINCT for window in ("1h", "24h")}
