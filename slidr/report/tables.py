"""The tables of a report. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from xml.etree.ElementTree import Element

from calibrate.result import Achieved, Calibrated, Share
from contracts.rates import Rate
from slidr.picture.charts import share_bar
from slidr.picture.markup import Child, node
from slidr.report.material import Model


def table(titles: Sequence[str], rows: Iterable[Sequence[Child]], words: int = 1) -> Element:
    """The first `words` columns hold words, the others numbers."""
    classes = ["word" if i < words else "number" for i in range(len(titles))]
    head = node("tr", *(node("th", title, class_=class_) for title, class_ in zip(titles, classes, strict=True)))
    body = node("tbody")
    for row in rows:
        cells = (node("td", cell, class_=class_) for cell, class_ in zip(row, classes, strict=True))
        body.append(node("tr", *cells))
    return node("table", node("thead", head), body)


def calibration(calibrated: Calibrated) -> Element:
    """Thresholds by slice: what was foreseen, and what later clicks saw, or, without them, these very ones."""
    titles = ("slice", "bought", "threshold", "FPR foreseen", "FPR seen", "its upper bound", "IVR seen",
              "robotic coverage seen")  # fmt: skip
    held_out = calibrated.held_out
    floors = has_floors(calibrated)

    def row(name: str) -> list[Child]:
        choice = calibrated.slices[name]
        seen = choice.counted if held_out is None else held_out.slices[name]
        foreseen = percent(choice.predicted_fpr) + ("*" if choice.thin else "")
        floor = [percent(choice.coverage_floor) if choice.coverage_floor else "-"] if floors else []
        shown = f"{choice.threshold:.6f}" if choice.threshold <= 1 else "never"
        return [name, f"{choice.counted.fpr.of:,}", shown, foreseen, *_seen(seen), *floor]

    total = calibrated.overall if held_out is None else held_out.overall
    last: list[Child] = [node("b", "all"), f"{calibrated.overall.fpr.of:,}", "", percent(calibrated.overall.fpr.value)]
    rows = [*map(row, calibrated.slices), [*last, *_seen(total), *([""] if floors else [])]]
    return table([*titles, *(["floor"] if floors else [])], rows)


def has_floors(calibrated: Calibrated) -> bool:
    """Whether any slice was asked for robotic coverage."""
    return any(choice.coverage_floor > 0 for choice in calibrated.slices.values())


def _seen(achieved: Achieved) -> list[Child]:
    return [
        interval(achieved.fpr),
        percent(achieved.fpr_upper) if achieved.fpr.of else "-",
        percent(achieved.ivr.value),
        interval(achieved.coverage),
    ]


def baselines(calibrated: Calibrated) -> Element:
    """The slices' thresholds against simpler ones that lose no more of the calibration's purchasing clicks."""
    held_out = calibrated.held_out
    rows: list[tuple[str, Achieved, Achieved | None]] = [
        ("a threshold per slice", calibrated.overall, held_out.overall if held_out else None)
    ]
    for name, baseline in calibrated.baselines.items():
        rows.append((name, baseline.counted, held_out.baselines[name] if held_out else None))
    titles = ("thresholds", "FPR", "IVR", "coverage", "FPR later", "IVR later", "coverage later")
    return table(titles, ([name, *_three(set_on), *_three(later)] for name, set_on, later in rows))


def models(found: Mapping[str, Model]) -> Element:
    """This model and simpler ones on the held-out clicks."""
    titles = ("model", "IVR later", "FPR later", "coverage later", "pairs")
    rows: list[list[Child]] = [
        [name, interval(model.achieved.ivr), interval(model.achieved.fpr), *_three(model.achieved)[2:],
         percent(model.robot_auc)]
        for name, model in found.items()
    ]  # fmt: skip
    return table(titles, rows)


def _three(achieved: Achieved | None) -> list[Child]:
    if achieved is None:
        return ["-"] * 3
    return [percent(share.value) for share in (achieved.fpr, achieved.ivr, achieved.coverage)]


def recall(found: dict[str, Rate]) -> Element:
    """What share of each kind's clicks is invalid."""
    rows: list[list[Child]] = [
        [
            "people" if kind == "human" else kind,
            share_bar(share.value, share.low, share.high),
            percent(share.value),
            _ends(share),
            f"{share.of:,}",
        ]
        for kind, share in found.items()
    ]
    return table(("who clicked", "", "invalid", "95 % interval", "clicks"), rows, words=2)


def percent(value: float | None) -> str:
    """4.25 %"""
    return "-" if value is None or value != value else f"{100 * value:.2f} %"


def interval(share: Share) -> str:
    """4.25 % (3.9-4.6)"""
    return f"{percent(share.value)} ({_ends(share)})" if share.of else "-"


def _ends(share: Share | Rate) -> str:
    return f"{100 * share.low:.1f}-{100 * share.high:.1f}"
