"""`slidr promote`, `rollback`, `shadow`, `releases`: what decides, what is scored beside it, and who changed that."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from slidr.commands.output import AsJson, print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from slidr.releasing import Releasing, Written
    from slidr.settings import Settings
    from streams.worker_watch import Acted

app = typer.Typer(help="The releases of the deployment, and the history of what was active.")

Version = Annotated[str, typer.Argument(help="The release's version.", show_default=False)]
MaybeVersion = Annotated[str | None, typer.Argument(help="The release's version.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why, for whoever reads the history.", show_default=False)]
By = Annotated[str | None, typer.Option(help="Who does this; the user and the machine unless given.")]
TimeoutS = Annotated[float, typer.Option(min=1, help="How long to wait for all live workers.")]


def promote(
    version: Version, reason: Reason, by: By = None, timeout_s: TimeoutS = 60.0, as_json: AsJson = False
) -> None:
    """Let a release decide, and wait until all live workers have swapped it in. What decided before becomes its shadow.

    The release must load here, and no guardrail may have blocked it, unless it was published with --override. Exit
    code 1: refused, nothing was changed. 2: it stands, and a worker could not load it. 3: it stands, and not all have
    acted in time.

    Example: slidr promote 20240603T000000Z-5f3a9c21 --reason "week 22"
    """
    _refuse_empty(reason)
    _switch(lambda releasing: releasing.promote(version, reason), by, timeout_s, as_json)


def rollback(
    reason: Reason,
    version: MaybeVersion = None,
    by: By = None,
    timeout_s: TimeoutS = 60.0,
    as_json: AsJson = False,
) -> None:
    """Go back to the last stable release, or to another one that was active before. Needs Kafka and the model store.

    The last stable release is the one that was active before this one and was not itself rolled back from. Exit codes
    as of `slidr promote`. `slidr rollback pass-through` always works: rules alone decide.

    Example: slidr rollback --reason "mobile goes invalid"
    """
    _refuse_empty(reason)
    _switch(lambda releasing: releasing.rollback(version, reason), by, timeout_s, as_json)


def shadow(
    version: MaybeVersion = None,
    off: Annotated[bool, typer.Option("--off", help="End the shadow.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for whoever reads the history.")] = "",
    by: By = None,
    timeout_s: TimeoutS = 60.0,
    as_json: AsJson = False,
) -> None:
    """Score a release on all clicks beside the one that decides, which goes on deciding alone.

    Its scores and verdicts go to the feature log, and to the metrics slidr_shadow_*. Exit codes as of `slidr promote`.

    Example: slidr shadow 20240603T000000Z-5f3a9c21, and to end it: slidr shadow --off
    """
    if off is (version is not None):
        raise typer.BadParameter("Name a version, or say --off; one of the two.")
    _switch(lambda releasing: releasing.shadow(version or "", reason), by, timeout_s, as_json)


@app.callback(invoke_without_command=True)
def releases(context: typer.Context, as_json: AsJson = False) -> None:
    """Show what is active, what every worker runs, the releases in the store, and the history: who, when, why.

    Example: slidr releases --json
    """
    if context.invoked_subcommand is not None:
        return
    from slidr.release_overview import overview, plain
    from slidr.release_words import overview_words

    found, store_error = overview(_settings(), _now_ms())
    if as_json:
        print_json(plain(found))
    else:
        for line in overview_words(found):
            typer.echo(line)
    if store_error:
        raise store_error


@app.command()
def prune(
    keep: Annotated[int, typer.Option(min=1, help="How many of the newest releases stay.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Remove all but the newest releases from the model store.

    Kept beside them: the active release, its shadow, the last stable one, and whatever a live worker runs.

    Example: slidr releases prune --keep 30
    """
    from model.retention import prune as pruned
    from slidr.release_overview import in_use, overview

    settings = _settings()
    found, store_error = overview(settings, _now_ms())
    if store_error:
        raise store_error
    gone = pruned(settings.models_uri, keep, in_use(found), _now_ms())
    if as_json:
        print_json(gone._asdict())
        return
    for version in gone.removed:
        typer.echo(f"removed  {version}")
    for folder in gone.remains:
        typer.echo(f"removed  {folder}, left by a writer or remover that was killed")
    typer.echo(f"{len(gone.removed)} releases removed, {len(found.versions or []) - len(gone.removed)} are kept.")


def _switch(ask: "Callable[[Releasing], Written]", by: str | None, timeout_s: float, as_json: bool) -> None:
    from contracts.topics import Topic, topic_name
    from slidr.loading import judge_loader, release_log
    from slidr.release_words import shortfall, written_words
    from slidr.releasing import Releasing, wait_until_acted, whoever_this_is
    from slidr.settings import kafka_config
    from streams.worker_watch import WorkerWatch

    settings = _settings()
    releasing = Releasing(
        release_log(settings), settings.release, judge_loader(settings), by or whoever_this_is(), _now_ms()
    )
    written = ask(releasing)
    typer.echo(written_words(written), err=as_json)
    status_topic = topic_name(Topic.WORKER_STATUS, settings.topic_prefix)
    with WorkerWatch(kafka_config(settings, "consumer"), status_topic, _now_ms()) as watch:
        acted = wait_until_acted(watch, written, timeout_s, _Told(as_json))
    if as_json:
        print_json(
            {
                "offset": written.offset,
                "event": written.event,
                "before": written.before._asdict(),
                "after": written.after._asdict(),
                "workers": acted._asdict(),
            }
        )
    if not any(acted):
        typer.echo("No worker is running: workers act upon it when they start.", err=as_json)
    if error := shortfall(acted, written, timeout_s):
        raise error


class _Told:
    """Prints each worker once, when it has acted."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._told: set[str] = set()

    def __call__(self, acted: "Acted") -> None:
        from slidr.release_words import worker_words

        for status in acted.done:
            if status.worker_id not in self._told:
                self._told.add(status.worker_id)
                typer.echo(f"  {worker_words(status)}", err=self._as_json)


def _refuse_empty(reason: str) -> None:
    if not reason.strip():
        raise typer.BadParameter("--reason is empty: say why, for whoever reads the history.")


def _settings() -> "Settings":
    from slidr.logs import log_to_stderr
    from slidr.settings_source import load_settings

    log_to_stderr()
    return load_settings(need=["kafka_bootstrap_servers"])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
