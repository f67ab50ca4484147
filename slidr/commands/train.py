"""`slidr train`: a release from simulated history."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.errors import BadInput, Misconfigured
from slidr.commands.output import AsJson, print_json, progress_bars

if TYPE_CHECKING:
    from rich.progress import Progress

    from calibrate.result import Calibrated, Share
    from rules.ruleset import RuleSet
    from slidr.retrain.outcome import Candidate, Seen
    from slidr.retrain.watcher import Watcher

Days = Annotated[int, typer.Option(min=1, max=60, help="Days of history, up to last midnight UTC.")]
Clicks = Annotated[int, typer.Option(min=1000, help="Clicks of history, about.")]
RobotShare = Annotated[float, typer.Option(min=0, max=1, help="Share of them that robots make.")]
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
    days: Days = 7,
    clicks: Clicks = 150_000,
    robot_share: RobotShare = 0.2,
    fpr_budget: FprBudget = 0.05,
    seed: Seed = 1,
    rules: Rules = None,
    rows_per_epoch: RowsPerEpoch = 2_000_000,
    baselines: Baselines = False,
    as_json: AsJson = False,
) -> None:
    """Train a model on simulated history and write it as a release to SLIDR_MODELS_URI.

    The network learns from the first five sevenths of the history, by purchases alone; the next one sets a threshold
    for each slice, and the last one measures. `slidr retrain` does the same with what really happened.

    Example: slidr train --days 14 --clicks 300000 --fpr-budget 0.03
    """
    from model.signature import read_signing_key
    from slidr.settings_source import load_settings

    settings = load_settings()
    models_uri, key = settings.models_uri, read_signing_key(settings.signing_key_file)
    rule_set = read_rules(rules)
    now_ms = time.time_ns() // 1_000_000
    with progress_bars(width=14) as progress:
        loading = progress.add_task("Loading torch", total=None)
        from model.schedule import Schedule
        from slidr.history import DAY_MS, history_scenario
        from slidr.retrain.simulation import train_on_simulation

        progress.remove_task(loading)
        scenario = history_scenario(seed, now_ms // DAY_MS * DAY_MS, days, clicks, robot_share)
        counting = progress.add_task("History", total=scenario.expected_clicks)
        candidate = train_on_simulation(
            scenario,
            rule_set,
            fpr_budget,
            Schedule(seed=seed, rows_per_epoch=rows_per_epoch),
            models_uri,
            now_ms,
            lambda done: progress.update(counting, completed=done),
            bars(progress),
            baselines,
            key,
        )
    if as_json:
        print_json(told(candidate) | {"models_uri": models_uri})
        return
    version = candidate.version
    typer.echo(f"Release {version} is written to {models_uri}. Put it to work: SLIDR_RELEASE={version}")
    print_candidate(candidate)


def bars(progress: "Progress") -> "Watcher":
    """Bars of what comes after the history, or a line a step where there is no terminal.

    One of training ends early when later clicks gain nothing.
    """
    from slidr.retrain.watcher import Watcher

    class Bars(Watcher):
        def __init__(self) -> None:
            self._bar = progress.add_task("", total=None, visible=False)

        def step(self, what: str) -> None:
            progress.update(self._bar, visible=False)
            if not progress.console.is_terminal:
                progress.console.print(f"{time.strftime('%H:%M:%S')}  {what}", highlight=False)
            self._bar = progress.add_task(what.capitalize(), total=None)

        def labelled(self, done: int, days: int) -> None:
            progress.update(self._bar, completed=done, total=days)

        def rows(self, done: int, at_most: int) -> None:
            progress.update(self._bar, completed=done, total=at_most)

        def scored(self, done: int, clicks: int) -> None:
            progress.update(self._bar, completed=done, total=clicks)

    return Bars()


def read_rules(path: Path | None) -> "RuleSet":
    """Rule lists of a file, or those that come with SLIDR."""
    from rules.ruleset import RuleSet

    if path is None:
        return RuleSet.default()
    try:
        return RuleSet.from_json(path.read_bytes())
    except OSError as error:
        raise Misconfigured(f"The rule lists {path} cannot be read: {error.strerror}.") from error
    except BadInput as error:
        raise Misconfigured(f"{path}: {error}") from error


def told(candidate: "Candidate") -> dict[str, object]:
    """A candidate for scripts, as built-in types."""
    import msgspec

    found: dict[str, object] = msgspec.to_builtins(candidate)
    return found


def print_candidate(candidate: "Candidate") -> None:
    """What the release does to clicks that it was not made from."""
    seen, calibrated = candidate.seen, candidate.calibrated
    typer.echo(f"Made of {candidate.clicks:,} labelled clicks, {candidate.epochs} epochs. On the last part of them:")
    ivr, fpr = seen.achieved.ivr, seen.achieved.fpr
    typer.echo(f"  invalidated (IVR)                {_percent(ivr)}  of {ivr.of:,} clicks")
    typer.echo(
        f"  of purchasing clicks (FPR)       {_percent(fpr)}  of {fpr.of:,} clicks, 95 % interval {fpr.low:.2%} to "
        f"{fpr.high:.2%}, budget {calibrated.goals.fpr_budget:.2%}"
    )
    for kind, share in seen.invalid_by_kind.items():
        typer.echo(f"  of clicks of kind {kind:<14} {_percent(share)}")
    if seen.robot_auc is not None:
        typer.echo(f"  a robot scores above a person    {seen.robot_auc:7.2%}  of pairs")
    _print_thresholds(calibrated)
    for name, other in candidate.baselines.items():
        ivr, fpr = other.achieved.ivr, other.achieved.fpr
        typer.echo(f"  {name:<24} IVR {_percent(ivr)}  FPR {_percent(fpr)}{_pairs(other)}")


def _print_thresholds(calibrated: "Calibrated") -> None:
    for name, threshold in calibrated.thresholds.items():
        typer.echo(f"  threshold of {name:<20}{'  never' if threshold > 1 else f'{threshold:7.4f}'}")


def _pairs(other: "Seen") -> str:
    return "" if other.robot_auc is None else f"  pairs {other.robot_auc:7.2%}"


def _percent(share: "Share") -> str:
    return "      -" if share.value is None else f"{share.value:7.2%}"
