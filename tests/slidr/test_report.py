"""The report: well-formed, complete, needs nothing from elsewhere, and draws what was found where it belongs."""

import math
import re
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

from calibrate.goals import Goals
from model.manifest import SLICES, Training
from slidr.calibrating import calibrate_and_test
from slidr.history import DAY_MS
from slidr.parents import PARENTS
from slidr.picture.charts import Box
from slidr.report import figures
from slidr.report.material import Made, Material, histogram, material
from slidr.report.page import report_html
from slidr.times import show_time
from tests.calibrate.clicks import START_MS
from tests.slidr.scored import LATER_MS, scored_clicks

EARLY, LATER = scored_clicks(1), scored_clicks(2, LATER_MS)
GOALS = Goals(fpr_budget=0.1, parents=PARENTS, coverage_floors={"app|user": 0.3})
KEY_OF_FLOORS = "</svg>floor of robotic coverage</span>"
LOSSES = [(0.5, 0.52), (0.41, 0.47), (0.37, 0.44), (0.35, 0.46)]
LEARNED = Training(START_MS - 7 * DAY_MS, START_MS - DAY_MS, 123_456, seed=17)
MADE = Made("20240601T000000Z-0badcafe", LEARNED, START_MS - 2 * DAY_MS, LOSSES, list(np.arange(168.0)))


def days_before(days: int) -> str:
    return show_time(START_MS - days * DAY_MS)[:16].replace("T", " ")


@pytest.fixture(scope="module")
def found() -> Material:
    return material(calibrate_and_test(EARLY, LATER, GOALS), EARLY, LATER, MADE)


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere(found: Material) -> None:
    written = report_html(found)

    ElementTree.fromstring(written.removeprefix("<!DOCTYPE html>"))
    assert re.findall(r"https?://[^\"]+", written.replace("http://www.w3.org/2000/svg", "")) == []
    assert not re.search(r"<(script|link|img|iframe|object)|@import|url\(|nan", written)
    assert "@media print" in written


def test_every_slice_has_its_curve_its_scores_and_its_row(found: Material) -> None:
    written = report_html(found)

    for name in SLICES:
        assert written.count(f"<h3>{name}</h3>") == 2
        assert f'<td class="word">{name}</td>' in written


def test_the_numbers_of_the_text_are_those_that_were_found(found: Material) -> None:
    calibrated = found.calibrated
    assert calibrated.held_out is not None
    seen = calibrated.held_out.overall

    written = report_html(found)

    assert f"Invalidates {100 * seen.ivr.hits / seen.ivr.of:.2f} % of clicks" in written
    assert f"and {100 * seen.fpr.hits / seen.fpr.of:.2f} % of purchasing ones, within the budget of 10.00 %" in written
    assert f"{calibrated.thresholds['app|user']:.6f}" in written
    assert "No clicks of its own" in written


def test_without_later_clicks_and_truth_the_page_says_so(found: Material) -> None:
    untested = msgspec.structs.replace(found.calibrated, held_out=None)

    written = report_html(material(untested, EARLY._replace(kinds=None, kind_index=None)))

    assert "Not tested on later clicks" in written
    assert "What made the clicks" not in written
    assert "Weight of a click" not in written
    assert "Learn" not in written


def test_the_page_says_which_release_it_is_of_and_what_that_learned_from(found: Material) -> None:
    written = report_html(found)

    assert "<title>SLIDR: candidate 20240601T000000Z-0badcafe</title>" in written
    assert f"{days_before(7)} to {days_before(1)} UTC: 123,456 labelled clicks, seed 17" in written
    assert f"those from {days_before(2)} UTC on" in written


def test_a_model_trained_elsewhere_has_no_learning_to_show(found: Material) -> None:
    written = report_html(found._replace(made=MADE._replace(losses=[], weights=[])))

    assert "trained by other means" in written
    assert "123,456" not in written
    assert "<h2>Learning</h2>" not in written


def test_floors_are_explained_where_there_are_some(found: Material) -> None:
    none = msgspec.structs.replace(GOALS, coverage_floors={})

    without = report_html(material(calibrate_and_test(EARLY, LATER, none), EARLY, LATER, MADE))

    for shown in (KEY_OF_FLOORS, ">floor</th>"):
        assert shown in report_html(found)
        assert shown not in without


@pytest.mark.parametrize("losses", [LOSSES, LOSSES[:1], [(0.5, 0.5)] * 40])
def test_the_network_that_is_kept_lies_on_the_curve_of_validation(losses: list[tuple[float, float]]) -> None:
    chart = figures.learning(losses)

    lowest = int(np.argmin([validation for _, validation in losses]))
    line = next(mark for mark in chart.iter("polyline") if mark.get("class") == "line curve")
    points = [[float(v) for v in point.split(",")] for point in str(line.get("points")).split()]
    circle = next(mark for mark in chart.iter("circle"))
    assert len(points) == len(losses)
    assert np.allclose([float(str(circle.get(axis))) for axis in ("cx", "cy")], points[lowest], atol=0.1)
    box: Box = figures._BOX
    assert all(box.left <= x <= box.left + box.width and box.top <= y <= box.bottom for x, y in points)


def test_the_chosen_point_lies_where_its_fpr_and_ivr_are(found: Material) -> None:
    choice, curve = found.calibrated.slices["app|user"], found.curves["app|user"]

    chart = figures.ivr_fpr("app|user", curve, choice)

    circle = next(mark for mark in chart.iter("circle") if mark.get("class") == "chosen")
    line = next(mark for mark in chart.iter("polyline") if mark.get("class") == "line curve")
    points = np.array([[float(v) for v in point.split(",")] for point in str(line.get("points")).split()])
    at = np.array([float(str(circle.get("cx"))), float(str(circle.get("cy")))])
    assert np.abs(points - at).sum(axis=1).min() < 6, "the point is not on the curve"
    assert "floor" in {mark.get("class") for mark in chart.iter("line")}


def test_shares_of_a_histogram_add_up_and_lie_in_their_parts() -> None:
    few = EARLY.rows(slice(0, 300))._replace(score=np.full(300, 0.51), purchasing=np.arange(300) < 5)

    found = histogram(few)

    assert found.purchasing.sum() == pytest.approx(1)
    assert found.rest[20] == 1


def test_hours_without_a_click_stay_empty_and_the_highest_is_the_darkest() -> None:
    values = [math.nan] * 100 + [float(i) for i in range(68)]

    cells = list(figures.hours("IVR", values, "%").iter("rect"))

    assert len(cells) == 68
    assert cells[-1].get("fill-opacity") == "1.00"
    assert min(cells, key=lambda cell: float(str(cell.get("fill-opacity")))) is cells[0]


def test_nothing_is_drawn_outside_of_a_chart(found: Material) -> None:
    box: Box = figures._BOX

    for name in SLICES:
        chart = figures.ivr_fpr(name, found.curves[name], found.calibrated.slices[name])
        for circle in chart.iter("circle"):
            assert box.left <= float(str(circle.get("cx"))) <= box.left + box.width
            assert box.top <= float(str(circle.get("cy"))) <= box.bottom
