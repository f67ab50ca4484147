"""`slidr train`: from history to a release."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.errors import BadInput, Misconfigured
from slidr.commands.output import AsJson, print_json, progress_bars

if TYPE_CHECKING:
    from rich.progress import Progress

    from rules.ruleset import RuleSet
    from slidr.training import History, Recipe, Report, Watcher
    from traffic.scenario import Scenario

_SIMULATED = "Of simulated history; not with --rows."
Days = Annotated[
    int | None, typer.Option(min=1, max=60, help=f"Days up to last midnight UTC. {_SIMULATED} [default: 7]")
]
Clicks = Annotated[int | None, typer.Option(min=1000, help=f"Clicks, about. {_SIMULATED} [default: 150000]")]
RobotShare = Annotated[
    float | None, typer.Option(min=0, max=1, help=f"Share of them that robots make. {_SIMULATED} [default: 0.2]")
]
Rows = Annotated[
    str | None, typer.Option("--rows", help="Feature-log files to learn from: a folder, a file or a pattern.")
]
Purchases = Annotated[str | None, typer.Option("--purchases", help="Purchases files of the same time, with --rows.")]
TruthFiles = Annotated[str | None, typer.Option("--truth", help="Truth files, if the clicks of --rows are simulated.")]
AsOf = Annotated[
    str | None,
    typer.Option(help="Purchases are known up to this time, with --rows: 2024-06-01T12:00 (UTC). [default: the last]"),
]
MaturityH = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="Hours within which buyers mostly buy: younger clicks have no label yet. [default: 24, simulated 2]",
    ),
]
FprBudget = Annotated[float, typer.Option(min=0, max=1, help="Share of purchasing clicks that may be invalidated.")]
Seed = Annotated[
    int, typer.Option(min=0, help="The same seed gives the same history on the same day, and the same model.")
]
Rules = Annotated[
    Path | None, typer.Option(help="The rule lists of the release, in JSON; without it those that come with SLIDR.")
]
RowsPerEpoch = Annotated[
    int, typer.Option(min=1000, help="Clicks that an epoch learns from at most: others each time, if there are more.")
]
Baselines = Annotated[
    bool, typer.Option("--baselines", help="Train and measure what the network has to beat, too: four times the time.")
]


def train(
    days: Days = None,
    clicks: Clicks = None,
    robot_share: RobotShare = None,
    rows: Rows = None,
    purchases: Purchases = None,
    truth: TruthFiles = None,
    as_of: AsOf = None,
    maturity_h: MaturityH = None,
    fpr_budget: FprBudget = 0.05,
    seed: Seed = 1,
    rules: Rules = None,
    rows_per_epoch: RowsPerEpoch = 2_000_000,
    baselines: Baselines = False,
    as_json: AsJson = False,
) -> None:
    """Train a model and write it as a release to SLIDR_MODELS_URI: on simulated history, or on files with --rows.

    The network learns from the first five sevenths of the history, by purchases alone; the next one sets the
    threshold, and the last one measures. Files may hold more clicks than fit into memory. With --rows the rules that
    fired when the clicks were decided are measured, and --rules is what the release will decide by.

    Example: slidr train --days 14 --clicks 300000 --fpr-budget 0.03

    Example: slidr train --rows archive/feature-log --purchases archive/purchases --maturity-h 24
    """
    from rules.ruleset import RuleSet
    from slidr.settings_source import load_settings

    models_uri = load_settings().models_uri
    rule_set = RuleSet.default() if rules is None else _read_rules(rules)
    now_ms = time.time_ns() // 1_000_000
    _check_options(rows, {"--days": days, "--clicks": clicks, "--robot-share": robot_share})
    if rows is None and any((purchases, truth, as_of)):
        raise Misconfigured("--purchases, --truth and --as-of belong to --rows; name the feature-log files with it.")
    history = None if rows is None else _files(rows, purchases, truth, as_of, now_ms)
    with progress_bars(width=14) as progress:
        loading = progress.add_task("Loading torch", total=None)
        from model.train import Schedule
        from slidr.training import Recipe

        progress.remove_task(loading)
        schedule = Schedule(seed=seed, rows_per_epoch=rows_per_epoch)
        maturity_ms = _maturity_ms(maturity_h, rows)
        recipe = Recipe(rule_set, fpr_budget, schedule, now_ms, maturity_ms, baselines)
        if history is None:
            scenario = _scenario(
                seed, now_ms, days or 7, clicks or 150_000, 0.2 if robot_share is None else robot_share
            )
            report = _on_simulation(scenario, recipe, models_uri, progress)
        else:
            report = _on_files(history, recipe, models_uri, progress)
    if as_json:
        print_json({"models_uri": models_uri, **asdict(report)})
    else:
        _print(report, models_uri)


def _check_options(rows: str | None, of_simulation: dict[str, float | None]) -> None:
    given = [name for name, value in of_simulation.items() if value is not None]
    if rows is not None and given:
        raise Misconfigured(
            f"{' and '.join(given)} say how to simulate a history, and --rows names one: leave either out."
        )


def _maturity_ms(hours: float | None, rows: str | None) -> int:
    from model.labels import MATURITY_MS
    from slidr.history import SIMULATED_MATURITY_MS

    if hours is not None:
        return round(hours * 3_600_000)
    return SIMULATED_MATURITY_MS if rows is None else MATURITY_MS


def _files(rows: str, purchases: str | None, truth: str | None, as_of: str | None, now_ms: int) -> "History":
    from model.inputs import Inputs
    from slidr.input_files import parquet_files
    from slidr.times import parse_time
    from slidr.training import History

    if purchases is None:
        raise Misconfigured("Clicks alone have no labels: name the purchases files with --purchases.")
    inputs = Inputs(parquet_files(rows), parquet_files(purchases), parquet_files(truth) if truth else ())
    return History(inputs, parse_time(as_of, now_ms) if as_of else None)


def _scenario(seed: int, now_ms: int, days: int, clicks: int, robot_share: float) -> "Scenario":
    from slidr.history import DAY_MS, history_scenario

    return history_scenario(seed, now_ms // DAY_MS * DAY_MS, days, clicks, robot_share)


def _on_simulation(scenario: "Scenario", recipe: "Recipe", models_uri: str, progress: "Progress") -> "Report":
    from slidr.training import train_on_simulation

    counting = progress.add_task("History", total=scenario.expected_clicks)
    return train_on_simulation(
        scenario,
        recipe,
        models_uri,
        lambda done: progress.update(counting, completed=done),
        _watcher(progress),
    )


def _on_files(history: "History", recipe: "Recipe", models_uri: str, progress: "Progress") -> "Report":
    from slidr.training import train_release

    return train_release(history, recipe, models_uri, _watcher(progress))


def _watcher(progress: "Progress") -> "Watcher":
    """Bars of what comes after the history. The last one ends early when later clicks gain nothing."""
    from slidr.training import Watcher

    labelling = progress.add_task("Days labelled", total=None)
    training = progress.add_task("Training", total=None)

    class Bars(Watcher):
        def labelled(self, done: int, days: int) -> None:
            progress.update(labelling, completed=done, total=days)

        def rows(self, done: int, at_most: int) -> None:
            progress.update(training, completed=done, total=at_most)

    return Bars()


def _read_rules(path: Path) -> "RuleSet":
    from rules.ruleset import RuleSet

    try:
        return RuleSet.from_json(path.read_bytes())
    except OSError as error:
        raise Misconfigured(f"The rule lists {path} cannot be read: {error.strerror}.") from error
    except BadInput as error:
        raise Misconfigured(f"{path}: {error}") from error


def _print(report: "Report", models_uri: str) -> None:
    ivr, fpr = report.measured.ivr, report.measured.fpr
    typer.echo(f"Release {report.version} is written to {models_uri}. Put it to work: SLIDR_RELEASE={report.version}")
    typer.echo(f"Trained and measured on {report.clicks:,} clicks, {report.epochs} epochs. On the last part of them:")
    typer.echo(f"  invalidated (IVR)                {ivr.value:7.2%}  of {ivr.of:,} clicks")
    typer.echo(
        f"  of purchasing clicks (FPR)       {fpr.value:7.2%}  of {fpr.of:,} clicks, 95 % interval {fpr.low:.2%} to "
        f"{fpr.high:.2%}, budget {report.fpr_budget:.2%}"
    )
    for kind, share in report.measured.invalid_by_kind.items():
        typer.echo(f"  of clicks of kind {kind:<14} {share:7.2%}")
    if report.measured.invalid_by_kind:
        typer.echo(f"  a robot scores above a person    {report.measured.robot_auc:7.2%}  of pairs")
    typer.echo(f"  threshold of every slice         {report.threshold:g}")
    for name, measured in report.baselines.items():
        typer.echo(
            f"  {name:<24} IVR {measured.ivr.value:7.2%}  FPR {measured.fpr.value:7.2%}"
            + (f"  pairs {measured.robot_auc:7.2%}" if measured.invalid_by_kind else "")
        )
