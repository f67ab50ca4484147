"""The picture of a run: well-formed, complete, needs nothing from elsewhere, and never half-written."""

import math
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slidr.demo.follow import Sample
from slidr.demo.kinds import Caught
from slidr.demo.outcome import AttackOutcome, Outcome
from slidr.demo.picture.page import page, write_page
from slidr.demo.picture.story import Story
from slidr.demo.schedule import attacks
from slidr.picture.markup import node
from slidr.picture.markup import page as html_page
from slidr.picture.scales import between, decades, from_zero, label, round_step, whole_numbers
from traffic.robots import HUMAN, KINDS

SVG = "{http://www.w3.org/2000/svg}"


def story(invalid: int = 40, clicks: int = 100, machine: str = "a processor", missing: int = 0) -> Story:
    """A run in which every kind made `clicks` clicks of which `invalid` were invalid."""
    by_kind = {kind: Caught(clicks, invalid) for kind in KINDS if clicks}
    share = invalid / clicks if clicks else None
    outcome = Outcome(
        live_clicks=clicks * len(KINDS),
        invalid=invalid * len(KINDS),
        ivr=share,
        fpr=share and 0.031,
        fpr_low=0.024,
        fpr_high=0.041,
        purchasing_clicks=1234 if clicks else 0,
        purchasing_invalid=38 if clicks else 0,
        people_double_clicks=invalid // 2,
        recall={kind: invalid / clicks for kind in by_kind if kind != HUMAN},
        by_kind=by_kind,
        attacks=[
            AttackOutcome(attack.kind, attack.from_ms, attack.until_ms, clicks, invalid, share)
            for attack in attacks(1_718_064_000_000)
        ],
        clicks=2000,
        decisions=2000 - missing,
        missing=missing,
        duplicates=0,
        conflicting=0,
        fpr_budget=0.05,
        in_worker_ms_p50=1.7,
        in_worker_ms_p99=4.1,
        in_worker_ms_p999=8.3,
        model_version="20240610T000000Z-5f3a9c21",
        seed=1,
        seconds=123.4,
    )
    samples = [Sample(10 + i / 2, i - 2.0, 90 * i, 89 * i, i % 5, 1.5, 4.0) for i in range(27 if clicks else 0)]
    by_time = {kind: [Caught(4, 1)] * 48 for kind in by_kind}
    return Story(outcome, samples, 3.2, 50.0, 0.5, by_time, 2, 4, {"processor": machine, "Python": "3.11"})


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere() -> None:
    written = page(story())

    ElementTree.fromstring(written.removeprefix("<!DOCTYPE html>"))
    assert re.findall(r"https?://[^\"]+", written.replace("http://www.w3.org/2000/svg", "")) == []
    assert not re.search(r"<(script|link|img|iframe|object)|@import|url\(", written)


def test_the_page_has_a_chart_of_each_thing_and_a_row_of_each_kind() -> None:
    root = ElementTree.fromstring(page(story()).removeprefix("<!DOCTYPE html>"))

    names = {title.text for title in root.iter("title")} | {title.text for title in root.iter(f"{SVG}title")}
    assert {"Clicks sent and decided a second", "Lag", "In-worker latency"} <= names
    assert {f"Verdicts on clicks by {kind}" for kind in KINDS} <= names
    rows = [cell.text for row in root.iter("tr") for cell in list(row)[:1]]
    assert rows == ["who", "people", *KINDS[1:]]


def test_the_page_says_the_false_positive_rate_with_its_interval_and_whether_clicks_are_conserved() -> None:
    kept, broken = text_of(page(story())), text_of(page(story(missing=3)))

    assert "38 of 1,234 clicks" in kept
    assert "3.1% (95 % interval 2.4% to 4.1%), within the budget of 5%" in kept
    assert "Conservation holds: 2,000 clicks, 2,000 effective decisions" in kept
    assert "Conservation is broken: 2,000 clicks, 1,997 effective decisions, 3 missing" in broken


def test_the_page_names_who_is_hard_to_catch_only_if_somebody_is() -> None:
    assert "Hard to catch" in text_of(page(story(invalid=40)))
    assert "Hard to catch" not in text_of(page(story(invalid=90)))


def test_text_from_outside_is_escaped() -> None:
    written = page(story(machine="<script>alert('&')</script>"))

    assert "<script>" not in written
    assert "<script>alert('&')</script>" in text_of(written)


def test_a_run_in_which_nothing_happened_is_drawn_too() -> None:
    assert "nothing measured" in text_of(page(story(clicks=0, invalid=0)))


def test_a_page_that_cannot_be_written_whole_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "demo.html"
    path.write_text("old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))

    with pytest.raises(OSError, match="disk full"):
        write_page(story(), path)

    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("demo.html", "old")]


def test_a_page_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "demo.html"
    path.write_text("old")

    write_page(story(), path)

    assert [found.name for found in tmp_path.iterdir()] == ["demo.html"]
    assert path.read_text() == page(story())


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="￾￿")))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    written = html_page("A page", "", [node("p", node("b"), text, title=text)])

    read = ElementTree.fromstring(written.removeprefix("<!DOCTYPE html>")).find("body/p")
    assert read is not None
    assert (read[0].tail or "") == text
    assert read.get("title") == text


@given(st.floats(1e-6, 1e9))
def test_a_scale_from_zero_holds_the_highest_value_with_few_round_ticks(highest: float) -> None:
    scale = from_zero(highest, 100, 0)

    assert scale.high >= highest * (1 - 1e-9)
    assert 2 <= len(scale.ticks) <= 5
    assert scale(0) == 100
    assert math.isclose(scale(scale.high), 0, abs_tol=1e-9)


@given(st.floats(-1e3, 1e3), st.floats(0, 1e3))
@example(0.0, 5e-324)
@example(1e3, 1e-12)
def test_a_scale_between_two_values_holds_both_with_few_round_ticks(lowest: float, more: float) -> None:
    scale = between(lowest, lowest + more, 100, 0)

    slack = 1e-6 * (abs(lowest) + more + 1)
    assert scale.low <= lowest + slack
    assert scale.high >= lowest + more - slack
    assert 2 <= len(scale.ticks) <= 7


@given(st.integers(1, 500))
def test_whole_numbers_have_whole_ticks_from_the_first_on(last: int) -> None:
    scale = whole_numbers(1, last, 0, 100)

    assert scale.ticks[0] == 1
    assert len(scale.ticks) <= 10
    assert scale.low < scale.high


@given(st.lists(st.floats(0, 1e6), max_size=9))
def test_decades_hold_all_values_above_0(values: list[float]) -> None:
    scale = decades(values, 100, 0)

    positive = [value for value in values if value > 0]
    assert all(scale.low <= value * (1 + 1e-9) and value <= scale.high for value in positive)
    assert len(scale.ticks) >= 2


def test_ticks_are_written_as_people_write_them() -> None:
    assert [label(value) for value in (0, 0.1, 1.0, 1.25, 2000)] == ["0", "0.1", "1", "1.25", "2,000"]
    assert [round_step(value) for value in (0.3, 1, 2.1, 70)] == [0.5, 1, 5, 100]


def text_of(written: str) -> str:
    """All text of the page."""
    return " ".join(ElementTree.fromstring(written.removeprefix("<!DOCTYPE html>")).itertext())
