"""`slidr calibrate` and `slidr evaluate`: thresholds from scored clicks, and what thresholds do to scored clicks."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.errors import Misconfigured
from slidr.commands.output import AsJson, print_json

if TYPE_CHECKING:
    from calibrate.goals import Goals
    from calibrate.result import Achieved, Calibrated
    from contracts.scored import Scored
    from model.evaluate import Evaluation, Metrics

_FILES = "a Parquet file of scored clicks, or a folder of them"
Clicks = Annotated[Path, typer.Argument(help=f"{_FILES.capitalize()}.", show_default=False)]
Out = Annotated[Path, typer.Option(help="The folder to write calibration.json and report.html to; new or empty.")]
HeldOut = Annotated[
    Path | None,
    typer.Option(help=f"Later clicks that test the thresholds: {_FILES}; without it, the second half of the time."),
]
Budget = Annotated[float, typer.Option(min=0, max=1, help="Share of purchasing clicks that may be invalidated.")]
Cap = Annotated[
    float | None, typer.Option(min=0, max=1, help="The same of any one slice; without it, three times the budget.")
]
Floors = Annotated[
    list[str] | None,
    typer.Option(help="Least robotic coverage, of every slice (0.6) or of one (mobile|guest=0.6); may be repeated."),
]
BusyOver = Annotated[
    float, typer.Option(min=0, help="Robotic coverage looks at sessions with more ad clicks than this in an hour.")
]
BusyOverElse = Annotated[
    float | None, typer.Option(min=0, help="As in `slidr calibrate`; without it, as the calibration had it.")
]
Confidence = Annotated[float, typer.Option(min=0.5, max=0.9999, help="How sure to be that the budget holds.")]
HorizonDays = Annotated[float, typer.Option(min=0.01, help="For how many days to come it is to hold.")]
Onnx = Annotated[
    Path | None,
    typer.Option(help="A model trained elsewhere, which scores folders of labelled clicks, as in CANDIDATE/labels."),
]
Thresholds = Annotated[Path, typer.Option("--calibration", help="The calibration.json whose thresholds to measure.")]


def calibrate(
    clicks: Clicks,
    out: Out,
    held_out: HeldOut = None,
    fpr_budget: Budget = 0.05,
    slice_fpr_cap: Cap = None,
    coverage_floor: Floors = None,
    busy_over: BusyOver = 5,
    confidence: Confidence = 0.95,
    horizon_days: HorizonDays = 7,
    onnx: Onnx = None,
    as_json: AsJson = False,
) -> None:
    """Set a threshold for each slice: the most invalid clicks within what purchasing ones may be lost.

    Writes calibration.json and report.html to a new folder. Exit code 1, and nothing is written, if floors and budget
    contradict each other; the message names the slices and what would be feasible.

    Example: slidr calibrate scored.parquet --out calibration --fpr-budget 0.03 --coverage-floor 0.5

    Example: slidr calibrate candidate/labels/judged --onnx model.onnx --out calibration
    """
    from contracts.files import refuse_used
    from slidr.calibrating import calibrate_and_test, split_by_time, write_result
    from slidr.report.material import material
    from slidr.scoring import scored_clicks

    goals = goals_of(fpr_budget, slice_fpr_cap, coverage_floor, busy_over, confidence, horizon_days)
    refuse_used(out)
    scored = scored_clicks(clicks, onnx)
    earlier, later = split_by_time(scored) if held_out is None else (scored, scored_clicks(held_out, onnx))
    found = calibrate_and_test(earlier, later, goals)
    write_result(out, material(found, earlier, later))
    if as_json:
        print_json({"folder": str(out), **_told(found)})
    else:
        _print_calibrated(found, out)


def evaluate(
    clicks: Clicks,
    calibration: Thresholds,
    busy_over: BusyOverElse = None,
    as_json: AsJson = False,
) -> None:
    """Measure the thresholds of a calibration.json on scored clicks: overall, by slice, hour of the week, and kind.

    Example: slidr evaluate later.parquet --calibration calibration/calibration.json
    """
    from model.evaluate import evaluate as measure
    from model.manifest import SLICES
    from slidr.calibrating import read_calibration
    from slidr.scored_files import read_scored

    thresholds, as_calibrated = read_calibration(calibration)
    scored = _some(read_scored(clicks, SLICES), clicks)
    found = measure(scored, thresholds, as_calibrated if busy_over is None else busy_over)
    if as_json:
        print_json(asdict(found))
    else:
        _print_evaluation(found)


def _some(scored: "Scored", path: Path) -> "Scored":
    from calibrate.measure import check

    check(scored, str(path))
    return scored


def goals_of(
    fpr_budget: float,
    slice_fpr_cap: float | None,
    coverage_floor: list[str] | None,
    busy_over: float,
    confidence: float,
    horizon_days: float,
) -> "Goals":
    """What the options ask for. Raises Misconfigured for a floor that is none."""
    from calibrate.goals import Goals
    from slidr.parents import PARENTS

    every, single = _floors(coverage_floor or [])
    return Goals(
        fpr_budget=fpr_budget,
        slice_fpr_cap=slice_fpr_cap,
        coverage_floor=every,
        coverage_floors=single,
        busy_over=busy_over,
        parents=PARENTS,
        confidence=confidence,
        horizon_days=horizon_days,
    )


def _floors(texts: list[str]) -> tuple[float, dict[str, float]]:
    """Of every slice, and of slices by name."""
    every, single = 0.0, {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            raise Misconfigured(
                f"{text!r} is no floor of robotic coverage; expected a share such as 0.6, or one of a slice such as "
                "'mobile|guest=0.6'."
            ) from None
        if name:
            single[name] = value
        else:
            every = value
    return every, single


def _told(found: "Calibrated") -> dict[str, object]:
    """All of `calibration.json`, as built-in types."""
    import msgspec

    told: dict[str, object] = msgspec.to_builtins(found)
    return told


def _print_calibrated(found: "Calibrated", out: Path) -> None:
    from slidr.report.tables import interval, percent

    later = found.held_out
    assert later is not None
    typer.echo(f"{'slice':<16}{'threshold':>10}{'FPR foreseen':>14}   FPR later (95 % interval)")
    for name, choice in found.slices.items():
        threshold = "never" if choice.threshold > 1 else f"{choice.threshold:.6f}"
        seen = interval(later.slices[name].fpr)
        typer.echo(f"{name:<16}{threshold:>10}{percent(choice.predicted_fpr):>14}   {seen}")
    rows: list[tuple[str, Achieved]] = [("thresholds by slice", later.overall), *later.baselines.items()]
    typer.echo("On later clicks:")
    for what, seen_all in rows:
        typer.echo(f"  {what:<22}IVR {percent(seen_all.ivr.value):>8}   FPR {interval(seen_all.fpr)}")
    kept = "within" if later.within_budget else "ABOVE"
    typer.echo(f"That is {kept} the budget of {percent(found.goals.fpr_budget)}. Read {out}/report.html.")


def _print_evaluation(found: "Evaluation") -> None:
    typer.echo(f"{'slice':<18}{'clicks':>10}{'IVR':>9}{'bought':>9}{'FPR':>9}{'coverage':>10}")
    for name, metrics in [("all", found.overall), *found.slices.items()]:
        typer.echo(_line(name, metrics))
    if found.recall:
        typer.echo(f"\n{'who clicked':<18}{'clicks':>10}{'invalid':>9}")
    for kind, share in found.recall.items():
        typer.echo(f"{'people' if kind == 'human' else kind:<18}{share.of:>10,}{share.value:>9.2%}")


def _line(name: str, metrics: "Metrics") -> str:
    shown = ["-" if share.of == 0 else f"{share.value:.2%}" for share in (metrics.ivr, metrics.fpr, metrics.coverage)]
    return f"{name:<18}{metrics.ivr.of:>10,}{shown[0]:>9}{metrics.fpr.of:>9,}{shown[1]:>9}{shown[2]:>10}"
