"""`slidr retrain`: from the archive to a candidate for a release."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.errors import Misconfigured
from slidr.commands.calibrate import Budget, BusyOver, Cap, Confidence, Floors, HorizonDays, goals_of
from slidr.commands.output import AsJson, print_json, progress_bars
from slidr.commands.train import (
    Baselines,
    RowsPerEpoch,
    Rules,
    bars,
    print_candidate,
    read_rules,
    told,
)

if TYPE_CHECKING:
    from rich.progress import Progress

    from slidr.retrain.outcome import Candidate
    from slidr.retrain.plan import Plan

Folder = Annotated[
    Path, typer.Argument(help="The folder of the candidate; one that was begun is gone on with.", show_default=False)
]
Rows = Annotated[
    str | None,
    typer.Option(
        help="Feature-log files: a folder, a file or a pattern. Without them: the archive in SLIDR_ARCHIVE_URI."
    ),
]
Purchases = Annotated[str | None, typer.Option(help="Purchases files, with --rows.")]
Truth = Annotated[str | None, typer.Option(help="Truth files, with --rows, if the clicks are simulated.")]
From = Annotated[
    str | None, typer.Option("--from", help="Learn from clicks since 2024-06-01T12:00 (UTC), or 30d (ago).")
]
AsOf = Annotated[
    str | None, typer.Option(help="Purchases are known up to this time. Without it: up to the latest one there is.")
]
MaturityH = Annotated[float, typer.Option(min=0, help="Buyers mostly buy within so many hours: younger clicks wait.")]
Onnx = Annotated[Path | None, typer.Option(help="A model trained elsewhere, instead of training one here.")]
Seed = Annotated[int, typer.Option(min=0, help="The same files and seed give the same model.")]


def retrain(
    folder: Folder,
    rows: Rows = None,
    purchases: Purchases = None,
    truth: Truth = None,
    from_: From = None,
    as_of: AsOf = None,
    maturity_h: MaturityH = 24,
    fpr_budget: Budget = 0.05,
    slice_fpr_cap: Cap = None,
    coverage_floor: Floors = None,
    busy_over: BusyOver = 5,
    confidence: Confidence = 0.95,
    horizon_days: HorizonDays = 7,
    seed: Seed = 1,
    rules: Rules = None,
    rows_per_epoch: RowsPerEpoch = 2_000_000,
    onnx: Onnx = None,
    baselines: Baselines = False,
    as_json: AsJson = False,
) -> None:
    """Make a candidate for a release from history: labels, network, thresholds, report.

    The network learns from the first five sevenths of the time, the next one sets a threshold for each slice, and the
    last one measures. History may be larger than memory. After a kill the same command goes on where it stopped, and a
    finished candidate is only shown. Its release is in FOLDER/release, its report in FOLDER/calibration/report.html.

    Example: slidr retrain candidates/2024-06-01 --from 30d --baselines

    Example: slidr retrain candidate --rows history/feature-log --purchases history/purchases --maturity-h 2
    """
    from slidr.settings_source import load_settings
    from slidr.times import parse_time

    if rows is None and (purchases or truth):
        raise Misconfigured("--purchases and --truth belong to --rows: name the feature-log files with it.")
    if rows is not None and purchases is None:
        raise Misconfigured("Clicks alone have no labels: name the purchases files with --purchases.")
    archive_uri = load_settings().archive_uri
    rule_set = read_rules(rules)
    goals = goals_of(fpr_budget, slice_fpr_cap, coverage_floor, busy_over, confidence, horizon_days)
    model = None if onnx is None else _read(onnx)
    now_ms = time.time_ns() // 1_000_000
    from_ms, as_of_ms = (parse_time(text, now_ms) if text else None for text in (from_, as_of))
    with progress_bars(width=20) as progress:
        from model.schedule import Schedule
        from slidr.retrain.inputs import archived, named
        from slidr.retrain.outcome import finished
        from slidr.retrain.plan import Asked, History, alone, pinned, sha256

        def find() -> History:
            found = archived(archive_uri, from_ms) if rows is None else named(rows, str(purchases), truth)
            return History(found, from_ms, as_of_ms)

        files = {"truth": truth, "purchases": purchases, "rows": rows}
        names = {name: str(Path(text).absolute()) for name, text in files.items() if text}
        times = {"from": from_, "as of": as_of, "archive": archive_uri if rows is None else None}
        names |= {name: text for name, text in times.items() if text}
        asked = Asked(
            history=names,
            goals=goals,
            schedule=Schedule(seed=seed, rows_per_epoch=rows_per_epoch),
            rules_sha256=sha256(rule_set.to_json()),
            onnx_sha256=sha256(model) if model else None,
            maturity_ms=round(3_600_000 * maturity_h),
            with_baselines=baselines,
        )
        with alone(folder):
            plan = pinned(folder, asked, find)
            candidate = finished(folder) or _made(folder, plan, rule_set.to_json(), model, progress)
    if as_json:
        print_json(told(candidate))
        return
    typer.echo(f"Candidate {candidate.version} is in {folder}. Read {folder}/calibration/report.html.")
    print_candidate(candidate)


def _read(onnx: Path) -> bytes:
    from slidr.scoring import read_model

    return read_model(onnx)


def _made(folder: Path, plan: "Plan", rules_json: bytes, model: bytes | None, progress: "Progress") -> "Candidate":
    loading = progress.add_task("Loading torch", total=None)
    from slidr.retrain.candidate import make

    progress.remove_task(loading)
    return make(folder, plan, rules_json, model, plan.as_of_ms, bars(progress))
