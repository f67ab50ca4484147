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
    from slidr.history import History
    from slidr.training import Recipe, Report

Days = Annotated[int, typer.Option(min=1, max=60, help="Days of simulated history, up to last midnight UTC.")]
Clicks = Annotated[int, typer.Option(min=1000, help="Clicks in it, about.")]
RobotShare = Annotated[float, typer.Option(min=0, max=1, help="Share of them that robots make.")]
FprBudget = Annotated[float, typer.Option(min=0, max=1, help="Share of purchasing clicks that may be invalidated.")]
Seed = Annotated[
    int, typer.Option(min=0, help="The same seed gives the same history on the same day, and the same model.")
]
Rules = Annotated[
    Path | None, typer.Option(help="The rule lists of the release, in JSON; without it those that come with SLIDR.")
]


def train(
    days: Days = 7,
    clicks: Clicks = 150_000,
    robot_share: RobotShare = 0.2,
    fpr_budget: FprBudget = 0.05,
    seed: Seed = 1,
    rules: Rules = None,
    as_json: AsJson = False,
) -> None:
    """Train a model on simulated history and write it as a release to SLIDR_MODELS_URI.

    The network learns from the first five sevenths of the history, by purchases alone; the next one sets the
    threshold, and the last one measures.

    Example: slidr train --days 14 --clicks 300000 --fpr-budget 0.03
    """
    from rules.ruleset import RuleSet
    from slidr.history import DAY_MS, simulated_history
    from slidr.settings_source import load_settings

    models_uri = load_settings().models_uri
    rule_set = RuleSet.default() if rules is None else _read_rules(rules)
    now_ms = time.time_ns() // 1_000_000
    with progress_bars(width=14) as progress:
        counting = progress.add_task("History", total=clicks)
        history = simulated_history(
            seed,
            now_ms // DAY_MS * DAY_MS,
            days,
            clicks,
            robot_share,
            lambda done: progress.update(counting, completed=done),
        )
        progress.update(counting, total=len(history.clicks))
        loading = progress.add_task("Loading torch", total=None)
        from model.train import Schedule
        from slidr.training import Recipe

        progress.remove_task(loading)
        report = _train(history, Recipe(rule_set, fpr_budget, Schedule(seed=seed), now_ms), models_uri, progress)
    if as_json:
        print_json({"models_uri": models_uri, **asdict(report)})
    else:
        _print(report, models_uri)


def _train(history: "History", recipe: "Recipe", models_uri: str, progress: "Progress") -> "Report":
    from slidr.training import train_release

    epochs = progress.add_task("Training", total=recipe.schedule.max_epochs)
    report = train_release(history, recipe, models_uri, lambda epoch: progress.update(epochs, completed=epoch.number))
    progress.update(epochs, total=report.epochs)
    return report


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
    typer.echo(f"Trained on simulated traffic, {report.clicks:,} clicks, {report.epochs} epochs. On its last part:")
    typer.echo(f"  invalidated (IVR)                {ivr.value:7.2%}  of {ivr.of:,} clicks")
    typer.echo(
        f"  of purchasing clicks (FPR)       {fpr.value:7.2%}  of {fpr.of:,} clicks, 95 % interval {fpr.low:.2%} to "
        f"{fpr.high:.2%}, budget {report.fpr_budget:.2%}"
    )
    for kind, share in report.measured.invalid_by_kind.items():
        typer.echo(f"  of clicks of kind {kind:<14} {share:7.2%}")
    typer.echo(f"  a robot scores above a person    {report.measured.robot_auc:7.2%}  of pairs")
    typer.echo(f"  threshold of every slice         {report.threshold:g}")
