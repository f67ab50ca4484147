"""The charts of a run, all over the hours of the live day, so that they can be read one below the other. Pure."""

from collections.abc import Sequence
from itertools import pairwise
from xml.etree.ElementTree import Element

from slidr.demo.follow import Sample
from slidr.demo.kinds import Caught
from slidr.demo.picture.story import Span, Story
from slidr.picture.charts import (
    HOURS,
    Box,
    Column,
    Point,
    area,
    band,
    columns,
    drawing,
    frame,
    line,
    x_unit,
)
from slidr.picture.markup import node
from slidr.picture.scales import Scale, decades, from_zero

_WIDTH, _LEFT, _RIGHT = 1000, 56, 12
_LANE = 18
_SMALL_WIDTH, _SMALL_HEIGHT = 490, 150
# Each point of a rate is over about so long: shorter ones show the chance in when a sample was taken.
_RATE_OVER_S = 1.0


def attack_lanes(spans: Sequence[Span]) -> Element:
    """Who attacked when, a lane for each attack."""
    box = Box(_LEFT, 8, _WIDTH - _LEFT - _RIGHT, _LANE * len(spans))
    x = box.hours(2)
    marks = [node("line", x1=x(at), x2=x(at), y1=box.top, y2=box.bottom, class_="grid") for at in x.ticks]
    for lane, span in enumerate(spans):
        top, left, right = box.top + lane * _LANE, x(span.from_h), x(span.until_h)
        marks.append(node("rect", x=left, y=top + 2, width=right - left, height=_LANE - 4, rx=3, class_="attack"))
        marks.append(node("text", span.kind, x=(left + right) / 2, y=top + 13, text_anchor="middle", class_="on"))
    hours = [node("text", f"{at}", x=x(at), y=box.bottom + 14, text_anchor="middle") for at in x.ticks]
    name = "When robots of each kind attacked"
    return drawing(_WIDTH, box.bottom + 36, name, *marks, node("g", *hours, class_="axis"), _hours_below(box))


def rates(story: Story) -> Element:
    """Clicks sent and decided a second."""
    sent = [(sample.hour, value) for sample, value in rate_points(story.live_samples, "sent")]
    decided = [(sample.hour, value) for sample, value in rate_points(story.live_samples, "decided")]
    box, x, y = _linear([value for _, value in sent + decided], 170)
    marks = [*_bands(box, x, story.attacks), area(sent, x, y, "sent"), line(decided, x, y, "decided")]
    return _chart(box, x, y, "clicks/s", "Clicks sent and decided a second", marks)


def rate_points(samples: Sequence[Sample], count: str) -> list[tuple[Sample, float]]:
    """By how much a count grew a second, for each sample that is `_RATE_OVER_S` or more after the one before it."""
    kept = list(samples[:1])
    for sample in samples:
        if sample.at_s - kept[-1].at_s >= _RATE_OVER_S * 0.95:
            kept.append(sample)
    return [
        (now, (getattr(now, count) - getattr(before, count)) / (now.at_s - before.at_s))
        for before, now in pairwise(kept)
    ]


def lag(story: Story) -> Element:
    """Clicks that wait for their decision."""
    points: list[Point] = [(sample.hour, sample.lag) for sample in story.live_samples]
    box, x, y = _linear([value for _, value in points], 90)
    return _chart(
        box,
        x,
        y,
        "clicks",
        "Lag",
        [*_bands(box, x, story.attacks), area(points, x, y, "sent"), line(points, x, y, "lag")],
    )


def latency(story: Story) -> Element:
    """In-worker latency, median and 99th percentile, each over the clicks of half a second."""
    seen = [sample for sample in story.live_samples if sample.in_worker_ms_p99 > 0]
    p50 = [(sample.hour, sample.in_worker_ms_p50) for sample in seen]
    p99 = [(sample.hour, sample.in_worker_ms_p99) for sample in seen]
    box = _box(140)
    x, y = box.hours(2), decades([value for _, value in p50 + p99], box.bottom, box.top)
    marks = [*_bands(box, x, story.attacks), line(p99, x, y, "p99"), line(p50, x, y, "p50")]
    return _chart(box, x, y, "ms, logarithmic", "In-worker latency", marks)


def verdicts(kind: str, bins: Sequence[Caught], bin_h: float, spans: Sequence[Span]) -> Element:
    """Valid and invalid clicks of one kind over the day; its attacks are shaded."""
    box = Box(_LEFT - 10, 20, _SMALL_WIDTH - _LEFT - _RIGHT, _SMALL_HEIGHT - 58)
    x, y = box.hours(4), from_zero(max(found.clicks for found in bins) / bin_h, box.bottom, box.top, most_ticks=3)
    stacks = [_column(number * bin_h, bin_h, found) for number, found in enumerate(bins)]
    own = [span for span in spans if span.kind == kind]
    marks = [*_bands(box, x, own), frame(box, x, y, "clicks/hour"), columns(stacks, x, y, ("valid", "invalid"))]
    return drawing(_SMALL_WIDTH, _SMALL_HEIGHT, f"Verdicts on clicks by {kind}", *marks, _hours_below(box))


def _column(from_h: float, bin_h: float, found: Caught) -> Column:
    valid = found.clicks - found.invalid
    clock = f"{int(from_h):02}:{int(from_h % 1 * 60):02}"
    says = f"from {clock}: {found.clicks} clicks, {found.invalid} of them invalid"
    return Column(from_h, from_h + bin_h, (valid / bin_h, found.invalid / bin_h), says)


def _box(height: float) -> Box:
    return Box(_LEFT, 24, _WIDTH - _LEFT - _RIGHT, height)


def _linear(values: Sequence[float], height: float) -> tuple[Box, Scale, Scale]:
    box = _box(height)
    return box, box.hours(2), from_zero(max(values, default=1.0), box.bottom, box.top)


def _bands(box: Box, x: Scale, spans: Sequence[Span]) -> list[Element]:
    return [
        band(box, x, s.from_h, s.until_h, f"attack by {s.kind}, {s.from_h:g} to {s.until_h:g} o'clock") for s in spans
    ]


def _chart(box: Box, x: Scale, y: Scale, unit: str, name: str, marks: Sequence[Element]) -> Element:
    return drawing(_WIDTH, box.bottom + 36, name, frame(box, x, y, unit), *marks, _hours_below(box))


def _hours_below(box: Box) -> Element:
    return x_unit(box, f"hour of the simulated day, UTC (0 to {HOURS})")
