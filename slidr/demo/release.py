"""The release that the demo's workers decide by: trained on the simulated week before the backlog day."""

from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from model.schedule import Schedule
from rules.ruleset import RuleSet
from slidr.demo.schedule import HISTORY_ROBOT_SHARE, LIVE_FROM_MS, clicks_per_day
from slidr.history import DAY_MS, history_scenario
from slidr.retrain.simulation import train_on_simulation
from slidr.retrain.watcher import Watcher

FPR_BUDGET = 0.05
_HISTORY_DAYS = 7


def train(console: Console, models: Path, seed: int) -> str:
    """Version of the release."""
    clicks = round(_HISTORY_DAYS * clicks_per_day(HISTORY_ROBOT_SHARE))
    schedule = Schedule(seed=seed)
    end_ms = LIVE_FROM_MS - DAY_MS
    scenario = history_scenario(seed, end_ms, _HISTORY_DAYS, clicks, HISTORY_ROBOT_SHARE)
    with Progress(console=console, transient=True) as progress:
        counting = progress.add_task("Counting a week of history", total=clicks)
        training = progress.add_task("Training", total=None)

        class Bars(Watcher):
            def rows(self, done: int, at_most: int) -> None:
                progress.update(training, completed=done, total=at_most)

        report = train_on_simulation(
            scenario,
            RuleSet.default(),
            FPR_BUDGET,
            schedule,
            str(models),
            end_ms,
            lambda n: progress.update(counting, completed=n),
            Bars(),
        )
    console.print(f"Release {report.version} is trained on {report.clicks:,} clicks of a simulated week.")
    return report.version
