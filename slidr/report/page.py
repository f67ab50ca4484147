"""The page: what was found in sentences, the table of thresholds, curves, scores, hours, and simpler ways."""

from collections.abc import Iterable
from typing import Final
from xml.etree.ElementTree import Element

from calibrate.result import Calibrated
from slidr.picture.markup import Child, node, page
from slidr.picture.style import CSS
from slidr.report import figures, tables
from slidr.report.material import Made, Material
from slidr.report.tables import percent
from slidr.times import show_time

_STYLE: Final = """
.line.curve { stroke: var(--blue); } .line.fit { stroke: var(--ink); stroke-dasharray: 4 3; stroke-width: 1.2; }
.chosen { fill: var(--orange); } .floor { stroke: var(--orange); stroke-width: 1.6; stroke-dasharray: 2 2; }
.threshold { stroke: var(--orange); stroke-width: 1.8; } .rest { fill: var(--grey); }
.line.buyers { stroke: var(--blue); } .heat { fill: var(--blue); }
.tiles { grid-template-columns: repeat(4, 1fr); } svg.bar { width: 150px; }
td, th { padding-right: 8px; } table { font-size: 13px; } ul.notes { font-size: 13.5px; padding-left: 20px; }
@media (max-width: 700px) { .scroll { overflow-x: auto; } }
@media print { svg.bar { width: 90px; } p.soft { break-after: avoid; } .small { grid-template-columns: 1fr 1fr; } }
"""
_MODELS: Final = (
    "Each has thresholds of its own, set on the same clicks within the same budget. Pairs: how often a robot's click "
    "scores above a person's, which only a simulation knows."
)


def report_html(material: Material) -> str:
    """HTML that is also well-formed XML and needs nothing from anywhere else."""
    what = f"candidate {material.made.version}" if material.made else "calibration"
    return page(f"SLIDR: {what}", CSS + _STYLE, _body(material))


def _body(material: Material) -> Iterable[Child]:
    calibrated = material.calibrated
    yield node("h1", _headline(calibrated))
    yield node("p", _setting(calibrated), class_="soft")
    if material.made:
        yield node("dl", *(node(*each) for each in _facts(material.made)))
    yield node("ul", *(node("li", node("strong", value), text) for value, text in _tiles(calibrated)), class_="tiles")
    yield node("h2", "Thresholds by slice")
    yield node("p", _explained(calibrated), class_="soft")
    yield node("div", tables.calibration(calibrated), class_="scroll")
    if notes := [(name, choice.note) for name, choice in calibrated.slices.items() if choice.note]:
        yield node("ul", *(node("li", node("b", name), f": {note}") for name, note in notes), class_="notes")
    yield node("h2", "Against simpler thresholds")
    yield node("p", "None of them loses more purchasing clicks on the clicks that set it.", class_="soft")
    yield node("div", tables.baselines(calibrated), class_="scroll")
    if len(material.models) > 1:
        yield node("h2", "Against simpler models")
        yield node("p", _MODELS, class_="soft")
        yield node("div", tables.models(material.models), class_="scroll")
    yield from _slices(material)
    if material.evaluation.recall:
        yield node("h2", "What made the clicks")
        yield node("p", "Only a simulation knows. Bars are shares invalid, lines their 95 % intervals.", class_="soft")
        yield node("div", tables.recall(material.evaluation.recall), class_="scroll")
    yield from _hours(material)


def _headline(calibrated: Calibrated) -> str:
    if calibrated.held_out is None:
        return f"Invalidates {percent(calibrated.overall.ivr.value)} of the clicks that set the thresholds"
    seen = calibrated.held_out.overall
    verdict = "within" if calibrated.held_out.within_budget else "above"
    return (
        f"Invalidates {percent(seen.ivr.value)} of clicks and {percent(seen.fpr.value)} of purchasing ones, "
        f"{verdict} the budget of {percent(calibrated.goals.fpr_budget)}"
    )


def _setting(calibrated: Calibrated) -> str:
    goals, later = calibrated.goals, calibrated.held_out
    tested = f" Tested on {_span(later.from_ms, later.to_ms)}." if later else " Not tested on later clicks."
    return (
        f"Thresholds set on clicks of {_span(calibrated.from_ms, calibrated.to_ms)}.{tested} FPR: share of purchasing "
        f"clicks invalidated. IVR: share of all clicks. Robotic coverage: share of clicks in sessions with more than "
        f"{goals.busy_over:g} ad clicks in an hour. Every share in brackets is a 95 % interval."
    )


def _facts(made: Made) -> Iterable[tuple[str, str]]:
    """Terms and what is said of them."""
    learned, seed = made.training, made.training.seed
    yield "dt", "Candidate"
    yield "dd", made.version
    yield "dt", "Learned from"
    if not made.losses:
        yield "dd", "elsewhere: the model was trained by other means, and is only calibrated and measured here"
        return
    yield "dd", f"{_span(learned.from_ms, learned.to_ms)}: {learned.clicks:,} labelled clicks, seed {seed}"
    yield "dt", "Stopped by"
    yield "dd", f"those from {_moment(made.validation_ms)} UTC on, which taught it nothing else"


def _moment(at_ms: int) -> str:
    return show_time(at_ms)[:16].replace("T", " ")


def _span(from_ms: int, to_ms: int) -> str:
    return f"{_moment(from_ms)} to {_moment(to_ms)} UTC"


def _tiles(calibrated: Calibrated) -> Iterable[tuple[str, str]]:
    seen = calibrated.overall if calibrated.held_out is None else calibrated.held_out.overall
    goals = calibrated.goals
    yield percent(seen.ivr.value), f"IVR, of {seen.ivr.of:,} clicks"
    yield percent(seen.fpr.value), f"FPR, of {seen.fpr.of:,} purchasing clicks"
    yield percent(seen.coverage.value), f"robotic coverage, of {seen.coverage.of:,} clicks"
    yield (
        percent(calibrated.predicted_upper),
        f"what the FPR measured over the next {goals.horizon_days:g} days stays below, as calibration foresees, "
        f"{100 * goals.confidence:g} % sure",
    )


def _explained(calibrated: Calibrated) -> str:
    price = (
        "" if calibrated.price is None else f" One point more of it would find {calibrated.price:.2g} points of IVR."
    )
    return (
        f"To show that the budget holds, chance included, {percent(calibrated.spendable_fpr)} could be spent.{price} "
        "Bought: purchasing clicks of the slice that set the threshold; with few of them (*) the FPR foreseen is an "
        "upper bound that leans on the parent slice. Its upper bound is "
        "one-sided, from the clicks that tested it alone."
    )


def _slices(material: Material) -> Iterable[Element]:
    choices = material.calibrated.slices
    floors = [_key("floor", "floor of robotic coverage")] if tables.has_floors(material.calibrated) else []
    yield node("h2", "IVR over FPR")
    yield node(
        "p", "Shaded: beyond the cap of a slice. ", _key("line curve", "every threshold"), _key("line fit", "fit"),
        _key("chosen", "chosen"), *floors, class_="soft",
    )  # fmt: skip
    yield _small((name, figures.ivr_fpr(name, material.curves[name], choice)) for name, choice in choices.items())
    yield node("h2", "Scores")
    yield node(
        "p", "Shares of their own number. ", _key("line buyers", "purchasing clicks"), _key("rest", "the rest"),
        _key("threshold", "threshold"), class_="soft",
    )  # fmt: skip
    yield _small(
        (name, figures.scores(name, material.histograms[name], choice.threshold)) for name, choice in choices.items()
    )


def _small(charts: Iterable[tuple[str, Element]]) -> Element:
    return node("div", *(node("figure", node("h3", name), chart) for name, chart in charts), class_="small")


def _hours(material: Material) -> Iterable[Element]:
    hours = material.evaluation.hours_of_week
    for title, unit, values in (
        ("IVR by hour of the week", "%", [100 * metrics.ivr.value for metrics in hours]),
        ("FPR by hour of the week", "%", [100 * metrics.fpr.value for metrics in hours]),
    ):
        yield node("figure", node("h2", title), figures.hours(title, values, unit))
    if material.made and material.made.weights:
        title = "Weight of a click in training, by hour of the week"
        yield node("figure", node("h2", title), figures.hours(title, material.made.weights, ""))
    if material.made and material.made.losses:
        yield from _learning(material.made)


def _learning(made: Made) -> Iterable[Element]:
    yield node("h2", "Learning")
    yield node(
        "p", "Weighted cross-entropy after each epoch. Where validation stops falling, what more is learned holds for "
        "the training clicks alone. ", _key("line fit", "training"), _key("line curve", "validation"),
        _key("chosen", "kept"), class_="soft",
    )  # fmt: skip
    yield node("div", node("figure", figures.learning(made.losses)), class_="small")


def _key(class_: str, text: str) -> Element:
    """A swatch and its name."""
    if class_ in ("floor", "threshold") or "line" in class_:
        mark = node("line", x1=0, x2=22, y1=5, y2=5, class_=class_)
    elif class_ == "chosen":
        mark = node("circle", cx=11, cy=5, r=4.5, class_=class_)
    else:
        mark = node("rect", width=22, height=10, class_=class_)
    return node("span", node("svg", mark, viewBox="0 0 22 10", aria_hidden="true"), text, class_="key")
