"""Marks of a chart: frame with ticks and units, bands, lines, areas, stacked columns. Pure.

unit
high |‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾|
     |    marks       |      `Box`: the inner rectangle, in pixels from the top left
   0 |________________|
     0   4   8  ...  24  hour
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element

from slidr.picture.markup import Child, node
from slidr.picture.scales import Scale, label

Point = tuple[float, float]
HOURS = 24
_SHARE_BAR = 180


class Box(NamedTuple):
    """The inner rectangle of a chart."""

    left: float
    top: float
    width: float
    height: float

    @property
    def bottom(self) -> float:
        """Of the inner rectangle."""
        return self.top + self.height

    def hours(self, every: int) -> Scale:
        """The day from left to right."""
        return Scale(0, HOURS, self.left, self.left + self.width, range(0, HOURS + 1, every))


def drawing(width: float, height: float, name: str, *children: Child) -> Element:
    """An SVG as wide as its place; `name` is read out to those who don't see it."""
    return node(
        "svg",
        node("title", name),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
    )


def frame(box: Box, x: Scale, y: Scale, unit: str) -> Element:
    """Grid lines, ticks of both axes, the unit of the upright one above it."""
    marks = [node("text", unit, x=box.left, y=box.top - 8, class_="unit")]
    for value in y.ticks:
        at = y(value)
        marks.append(node("line", x1=box.left, x2=box.left + box.width, y1=at, y2=at, class_="grid"))
        marks.append(node("text", label(value), x=box.left - 6, y=at + 4, text_anchor="end"))
    for value in x.ticks:
        marks.append(node("text", label(value), x=x(value), y=box.bottom + 16, text_anchor="middle"))
    return node("g", *marks, class_="axis")


def x_unit(box: Box, text: str) -> Element:
    """What the level axis counts, below its ticks."""
    return node("text", text, x=box.left + box.width, y=box.bottom + 32, text_anchor="end", class_="unit")


def band(box: Box, x: Scale, from_: float, until: float, says: str) -> Element:
    """A stretch of time, shaded over the height of the box."""
    return node(
        "rect", node("title", says),
        x=x(from_), y=box.top, width=x(until) - x(from_), height=box.height, class_="band",
    )  # fmt: skip


def line(points: Iterable[Point], x: Scale, y: Scale, class_: str) -> Element:
    """A line through the points."""
    path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in points)
    return node("polyline", points=path, class_=f"line {class_}")


def area(points: Sequence[Point], x: Scale, y: Scale, class_: str) -> Element:
    """What lies between the points and the floor."""
    floor = y(y.low)
    edge = [(x(at), y(value)) for at, value in points]
    if edge:
        edge = [(edge[0][0], floor), *edge, (edge[-1][0], floor)]
    return node("polygon", points=" ".join(f"{px:.1f},{py:.1f}" for px, py in edge), class_=f"area {class_}")


class Column(NamedTuple):
    """Values stacked from the floor up, over one stretch of the level axis; `says` is shown when pointed at."""

    from_: float
    until: float
    values: Sequence[float]
    says: str


def columns(stacks: Iterable[Column], x: Scale, y: Scale, classes: Sequence[str]) -> Element:
    """Stacked columns, one class for each layer."""
    group = node("g")
    for stack in stacks:
        drawn = node("g", node("title", stack.says))
        below = 0.0
        for value, class_ in zip(stack.values, classes, strict=True):
            if value:
                top, left = y(below + value), x(stack.from_)
                drawn.append(
                    node(
                        "rect", x=left, y=top, width=max(x(stack.until) - left - 0.6, 0.5), height=y(below) - top,
                        class_=class_,
                    )
                )  # fmt: skip
            below += value
        group.append(drawn)
    return group


def share_bar(value: float, low: float, high: float) -> Element:
    """A share as a bar, its interval as a line across the end."""
    return node(
        "svg",
        node("rect", width=_SHARE_BAR, height=12, class_="whole"),
        node("rect", width=_SHARE_BAR * value, height=12, class_="invalid"),
        node("line", x1=_SHARE_BAR * low, x2=_SHARE_BAR * high, y1=6, y2=6, class_="limit"),
        viewBox=f"0 0 {_SHARE_BAR} 12", role="img", aria_label=f"{value:.1%}", class_="bar",
    )  # fmt: skip
