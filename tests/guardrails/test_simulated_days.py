"""Faults injected into simulated days: each blocked by the guardrail that is for it, and no clean day by any."""

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from contracts.summaries import DAY_MS, DaySummary
from contracts.verdicts import GuardrailVerdict
from guardrails.data import human_density, judge_day, judge_days
from guardrails.limits import Limits
from tests.guardrails.simulated import (
    FIRST_JUDGED,
    SPOILT_DAY,
    Spoiler,
    as_other_clicks,
    spoilt_hours,
    with_column,
    with_feature,
)

# Whichever test comes first waits for the simulation.
pytestmark = pytest.mark.timeout(1200)


def blocked(day: DaySummary, clean: list[DaySummary], limits: Limits) -> dict[str, GuardrailVerdict]:
    """Verdicts that block the day, by guardrail."""
    return {verdict.guardrail: verdict for verdict in judge_day(day, clean, limits) if verdict.outcome == "blocked"}


def test_none_of_sixty_clean_days_is_blocked(clean: list[DaySummary], limits: Limits) -> None:
    """Among them eight weekends, a sale day with twice the people and two attacks of ten times the usual robots."""
    days = clean[FIRST_JUDGED:]

    verdicts = [verdict for day in days for verdict in judge_day(day, clean, limits)]

    assert len(days) == 60
    assert [verdict.sentence for verdict in verdicts if verdict.outcome != "passed"] == []
    assert human_density(clean, limits).outcome == "passed"


def test_the_sale_and_the_attack_are_really_there(clean: list[DaySummary]) -> None:
    clicks = [sum(sum(counts.clicks) for counts in day.slices.values()) for day in clean]
    bought = [sum(day.purchases) for day in clean]

    assert clicks[55] > 2.5 * np.median(clicks)
    assert bought[55] < 1.3 * np.median(bought)
    assert bought[47] > 1.7 * np.median(bought)


def test_the_day_made_anew_without_a_fault_is_not_blocked(
    spoiler: Spoiler, clean: list[DaySummary], limits: Limits
) -> None:
    assert blocked(spoiler.day(), clean, limits) == {}


def test_no_purchases_for_three_hours(spoiler: Spoiler, clean: list[DaySummary], limits: Limits) -> None:
    def lost(purchases: pa.Table) -> pa.Table:
        return purchases.filter(pa.array(~spoilt_hours(purchases["purchased_at_ms"], 16, 19)))

    found = blocked(spoiler.day(purchases=lost), clean, limits)

    assert set(found) == {"purchases_feed"}
    assert found["purchases_feed"].where == "2024-03-26 up to 19:00, 3 h"
    assert found["purchases_feed"].measured == 0


def test_purchases_frozen_at_the_same_one(spoiler: Spoiler, clean: list[DaySummary], limits: Limits) -> None:
    """From noon on the feed repeats the last purchase before it."""

    def frozen(purchases: pa.Table) -> pa.Table:
        stuck = spoilt_hours(purchases["purchased_at_ms"], 12, 24)
        ids = np.array(purchases["purchase_id"].to_pylist(), object)
        ids[stuck] = ids[np.flatnonzero(stuck)[0] - 1]
        return with_column(purchases, "purchase_id", ids.tolist())

    found = blocked(spoiler.day(purchases=frozen), clean, limits)

    assert set(found) == {"purchases_feed", "purchases_repeated"}


@pytest.mark.parametrize(
    ("columns", "guardrail"),
    [
        (("human",), "label_conflict"),
        (("purchasing",), "label_rate"),
        (("human", "purchasing"), "label_rate"),
    ],
)
def test_labels_flipped(
    columns: tuple[str, ...], guardrail: str, spoiler: Spoiler, clean: list[DaySummary], limits: Limits
) -> None:
    def flipped(labels: pa.Table) -> pa.Table:
        for name in columns:
            labels = with_column(labels, name, pc.invert(labels[name]).combine_chunks())
        return labels

    found = blocked(spoiler.day(labels=flipped), clean, limits)

    assert guardrail in found


def test_a_slice_counted_twice_as_another_one(spoiler: Spoiler, clean: list[DaySummary], limits: Limits) -> None:
    """Half of the phones are told as apps."""

    def renamed(rows: pa.Table) -> pa.Table:
        names = rows["slice"].to_pylist()
        app = [name.replace("mobile", "app") if i % 2 else name for i, name in enumerate(names)]
        return with_column(rows, "slice", app)

    found = blocked(spoiler.day(renamed), clean, limits)

    assert set(found) == {"slice_share"}
    assert "app|user" in found["slice_share"].where


@pytest.mark.parametrize("again", ["same place", "other place"])
def test_a_slice_doubled(again: str, spoiler: Spoiler, clean: list[DaySummary], limits: Limits) -> None:
    def doubled(rows: pa.Table) -> pa.Table:
        phones = rows.filter(pc.equal(rows["slice"], "mobile|user"))
        return pa.concat_tables([rows, phones if again == "same place" else as_other_clicks(phones)])

    assert "repeated_clicks" in blocked(spoiler.day(doubled), clean, limits)


def test_a_slice_vanished(spoiler: Spoiler, clean: list[DaySummary], limits: Limits) -> None:
    def without(rows: pa.Table) -> pa.Table:
        return rows.filter(pc.not_equal(rows["slice"], "tablet|guest"))

    found = blocked(spoiler.day(without), clean, limits)

    assert found["slice_share"].where == "2024-03-26 tablet|guest"
    assert found["slice_share"].measured == 0


@pytest.mark.parametrize("feature", ["session_clicks_1h", "ip_distinct_users_24h", "account_gap_s", "hour_sin"])
def test_a_feature_stuck_at_zero(feature: str, spoiler: Spoiler, clean: list[DaySummary], limits: Limits) -> None:
    found = blocked(spoiler.day(lambda rows: with_feature(rows, feature, lambda values: 0)), clean, limits)

    assert found["feature_constant"].where == f"2024-03-26 {feature}"
    assert "feature_drift" in found


@pytest.mark.parametrize(("feature", "times"), [("session_gap_s", 1000), ("ip_gap_s", 1000), ("account_gap_s", 1 / 60)])
def test_a_feature_in_other_units(
    feature: str, times: float, spoiler: Spoiler, clean: list[DaySummary], limits: Limits
) -> None:
    def other(values: np.ndarray) -> np.ndarray:
        return np.where(values > 0, values * times, values)

    found = blocked(spoiler.day(lambda rows: with_feature(rows, feature, other)), clean, limits)

    assert found["feature_units"].where == f"2024-03-26 {feature}"
    assert found["feature_units"].measured == pytest.approx(times, rel=0.5)


def test_purchases_in_seconds_instead_of_milliseconds(
    spoiler: Spoiler, clean: list[DaySummary], limits: Limits
) -> None:
    def in_seconds(purchases: pa.Table) -> pa.Table:
        times = np.asarray(purchases["purchased_at_ms"])
        return with_column(purchases, "purchased_at_ms", np.where(spoilt_hours(times, 0, 24), times // 1000, times))

    assert "purchases_feed" in blocked(spoiler.day(purchases=in_seconds), clean, limits)


def test_a_feature_without_values(clean: list[DaySummary], limits: Limits) -> None:
    """Labels are refused with such features; the guardrail does not rely on it."""
    day = clean[-6]
    broken = {**day.features, "ip_gap_s": msgspec.structs.replace(day.features["ip_gap_s"], missing=40)}

    found = blocked(msgspec.structs.replace(day, features=broken), clean, limits)

    assert found["feature_missing"].where.endswith("ip_gap_s")


@pytest.mark.parametrize("as_others", [False, True])
def test_a_day_that_is_a_copy_of_the_one_before(
    as_others: bool, spoiler: Spoiler, clean: list[DaySummary], limits: Limits
) -> None:
    def copied(rows: pa.Table) -> pa.Table:
        later = np.asarray(spoiler.day_before["clicked_at_ms"]) + DAY_MS
        copies = with_column(spoiler.day_before, "clicked_at_ms", later)
        return as_other_clicks(copies) if as_others else copies

    found = blocked(spoiler.day(copied), clean, limits)

    assert found["repeated_day"].where == "2024-03-26 = 2024-03-25"
    assert found["repeated_day"].measured == pytest.approx(1)


def test_a_day_that_holds_its_clicks_twice(spoiler: Spoiler, clean: list[DaySummary], limits: Limits) -> None:
    found = blocked(spoiler.day(lambda rows: pa.concat_tables([rows, as_other_clicks(rows)])), clean, limits)

    assert "repeated_clicks" in found


@pytest.mark.parametrize("hours", [(15, 18), (2, 24)])
def test_clicks_lost_for_hours(
    hours: tuple[int, int], spoiler: Spoiler, clean: list[DaySummary], limits: Limits
) -> None:
    def lost(rows: pa.Table) -> pa.Table:
        return rows.filter(pa.array(~spoilt_hours(rows["clicked_at_ms"], *hours)))

    found = blocked(spoiler.day(lost), clean, limits)

    assert "volume" in found
    # Nothing after the last click tells how many were lost.
    assert ("archive_gaps" in found) == (hours[1] < 24)


def test_a_day_that_is_not_there_at_all(clean: list[DaySummary], limits: Limits) -> None:
    day = clean[-6]
    empty = msgspec.structs.replace(
        day, slices={}, purchases=(0,) * 24, sources=msgspec.structs.replace(day.sources, rows=0, again=0, repeated=0)
    )

    assert {"volume", "archive_gaps", "purchases_feed", "slice_share"} <= set(blocked(empty, clean, limits))


def test_an_hour_of_the_week_in_which_nobody_is_human(clean: list[DaySummary], limits: Limits) -> None:
    friday_noon = 4 * 24 + 12
    days = [
        msgspec.structs.replace(day, week_human=(*day.week_human[:friday_noon], 0, *day.week_human[friday_noon + 1 :]))
        for day in clean
    ]

    verdict = human_density(days, limits)

    assert (verdict.outcome, verdict.where, verdict.measured) == ("blocked", "Friday 12:00", 0)


def test_without_weeks_before_it_a_day_is_not_judged_and_says_why(clean: list[DaySummary], limits: Limits) -> None:
    verdicts = {verdict.guardrail: verdict for verdict in judge_day(clean[40], clean[38:41], limits)}

    for name in ("volume", "purchases_feed", "label_rate", "slice_share", "feature_drift", "feature_units"):
        assert verdicts[name].outcome == "not judged"
        assert "before" in verdicts[name].sentence
    assert verdicts["repeated_clicks"].outcome == "passed"


def test_history_beside_the_candidate_judges_its_first_days(clean: list[DaySummary], limits: Limits) -> None:
    alone = {v.guardrail: v.outcome for v in judge_days(clean[60:65], [], limits)}
    with_history = {v.guardrail: v.outcome for v in judge_days(clean[60:65], clean[:60], limits)}

    assert alone["volume"] == "not judged"
    assert set(with_history.values()) == {"passed"}


def test_a_spoilt_day_among_many_is_told_once_for_each_guardrail(
    spoiler: Spoiler, clean: list[DaySummary], limits: Limits
) -> None:
    spoilt = spoiler.day(lambda rows: pa.concat_tables([rows, as_other_clicks(rows)]))
    days = [spoilt if day.day == SPOILT_DAY else day for day in clean[60:]]

    verdicts = judge_days(days, clean[:60], limits)

    told = [verdict for verdict in verdicts if verdict.guardrail == "repeated_clicks"]
    assert [verdict.outcome for verdict in told] == ["blocked"]
    assert "2024-03-26" in told[0].sentence
    assert told[0].remedy
