"""The charts of a report. Pure."""

from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element

import numpy as np

from calibrate.curves import Curve
from calibrate.result import SliceChoice
from slidr.picture.charts import Box, Column, Point, band, columns, drawing, frame, line, x_unit
from slidr.picture.markup import node
from slidr.picture.scales import between, from_zero, whole_numbers
from slidr.report.material import BINS, Histogram, Vector

_WIDTH, _HEIGHT = 490, 210
_BOX: Final = Box(46, 24, _WIDTH - 62, _HEIGHT - 66)
# Points of a curve that are drawn: about one for two pixels.
_POINTS: Final = 220
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_CELL, _ROW = 38, 22


def ivr_fpr(name: str, curve: Curve, choice: SliceChoice) -> Element:
    """The curve of a slice with its fit, the cap, the floor and the chosen point; FPR and IVR in per cent."""
    right = min(1.0, max(choice.highest_fpr, float(curve.fpr[0])) * 1.25 + 0.001)
    shown = curve.fpr <= right
    x = from_zero(100 * right, _BOX.left, _BOX.left + _BOX.width)
    y = from_zero(100 * max(0.01, float(curve.ivr[shown].max())), _BOX.bottom, _BOX.top)
    marks = [frame(_BOX, x, y, "IVR, %")]
    if choice.highest_fpr < right:
        marks.append(band(_BOX, x, 100 * choice.highest_fpr, x.high, "beyond the cap of a slice"))
    if choice.coverage_floor > 0:
        floor = 100 * choice.lowest_fpr
        marks.append(node("line", node("title", "floor of robotic coverage"), x1=x(floor), x2=x(floor), y1=_BOX.top,
                          y2=_BOX.bottom, class_="floor"))  # fmt: skip
    marks.append(line(_steps(curve, shown), x, y, "curve"))
    marks.append(line(_fitted(choice), x, y, "fit"))
    at = (x(100 * choice.predicted_fpr), y(100 * choice.predicted_ivr))
    says = f"chosen: FPR {choice.predicted_fpr:.2%}, IVR {choice.predicted_ivr:.2%}, threshold {choice.threshold:g}"
    marks.append(node("circle", node("title", says), cx=at[0], cy=at[1], r=5, class_="chosen"))
    return drawing(_WIDTH, _HEIGHT, f"IVR over FPR of {name}", *marks, x_unit(_BOX, "FPR, % of purchasing clicks"))


def _steps(curve: Curve, shown: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> list[Point]:
    """As many points as can be seen, each the best that an FPR allows."""
    places = np.unique(np.linspace(0, int(shown.sum()) - 1, _POINTS).astype(int))
    return [(100 * float(curve.fpr[i]), 100 * float(curve.ivr[i])) for i in places]


def _fitted(choice: SliceChoice) -> list[Point]:
    low, high = choice.lowest_fpr, choice.highest_fpr
    return [(100 * v, 100 * choice.fit(v)) for v in np.linspace(low, high, 40).tolist()]


def scores(name: str, found: Histogram, threshold: float) -> Element:
    """Scores of purchasing clicks and of the rest, each as shares of their own, and the threshold."""
    highest = 100 * max(0.001, float(found.purchasing.max()), float(found.rest.max()))
    x = from_zero(1.0, _BOX.left, _BOX.left + _BOX.width, most_ticks=5)
    y = from_zero(highest, _BOX.bottom, _BOX.top)
    marks = [frame(_BOX, x, y, "% of their clicks"), columns(_bars(found.rest, "rest"), x, y, ("rest",))]
    edges = [(bin_ + step, 100 * value) for bin_, value in enumerate(found.purchasing.tolist()) for step in (0, 1)]
    marks.append(line([(edge / BINS, value) for edge, value in edges], x, y, "buyers"))
    if threshold <= 1:
        at = x(threshold)
        marks.append(node("line", x1=at, x2=at, y1=_BOX.top, y2=_BOX.bottom, class_="threshold"))
    return drawing(_WIDTH, _HEIGHT, f"Scores of {name}", *marks, x_unit(_BOX, "score"))


def _bars(shares: Vector, what: str) -> list[Column]:
    edges = [(i / BINS, (i + 1) / BINS) for i in range(BINS)]
    return [
        Column(low, high, (100 * value,), f"{what}: {value:.1%} score {low:g} to {high:g}")
        for (low, high), value in zip(edges, shares.tolist(), strict=True)
    ]


def learning(losses: Sequence[tuple[float, float]]) -> Element:
    """Loss of training and of validation over epochs; the network of the lowest validation loss is the one kept."""
    epochs = range(1, len(losses) + 1)
    values = [value for both in losses for value in both]
    x = whole_numbers(1, len(losses), _BOX.left, _BOX.left + _BOX.width)
    y = between(min(values), max(values), _BOX.bottom, _BOX.top)
    training, validation = ([(float(at), both[i]) for at, both in zip(epochs, losses, strict=True)] for i in (0, 1))
    at, lowest = min(validation, key=lambda point: point[1])
    says = node("title", f"kept: epoch {at:.0f}, validation loss {lowest:.4f}")
    return drawing(
        _WIDTH, _HEIGHT, "Loss over epochs", frame(_BOX, x, y, "loss, nats"), line(training, x, y, "fit"),
        line(validation, x, y, "curve"), node("circle", says, cx=x(at), cy=y(lowest), r=5, class_="chosen"),
        x_unit(_BOX, "epoch"),
    )  # fmt: skip


def hours(name: str, values: Sequence[float], unit: str) -> Element:
    """168 values, Monday 0:00 first, as a heat map: the darker, the higher; NaN stays empty."""
    known = [value for value in values if value == value]
    low, high = min(known, default=0.0), max(known, default=1.0)
    marks: list[Element] = []
    for hour, value in enumerate(values):
        day, at = divmod(hour, 24)
        if value == value:
            depth = (value - low) / (high - low) if high > low else 0.5
            title = node("title", f"{_DAYS[day]} {at:02}:00: {value:.3g} {unit}")
            marks.append(
                node("rect", title, x=50 + _CELL * at, y=4 + _ROW * day, width=_CELL - 2, height=_ROW - 2, rx=2,
                     class_="heat", fill_opacity=f"{0.08 + 0.92 * depth:.2f}")
            )  # fmt: skip
    ticks = [node("text", day, x=42, y=19 + _ROW * i, text_anchor="end") for i, day in enumerate(_DAYS)]
    ticks += [node("text", f"{at}", x=50 + _CELL * at, y=18 + _ROW * 7) for at in range(0, 24, 3)]
    says = f"pale {low:.3g} to dark {high:.3g} {unit}"
    key = node("text", says, x=50 + _CELL * 24, y=34 + _ROW * 7, text_anchor="end")
    return drawing(50 + _CELL * 24, 40 + _ROW * 7, name, *marks, node("g", *ticks, key, class_="axis"))
