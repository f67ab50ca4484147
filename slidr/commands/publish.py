"""`slidr publish`: a candidate becomes a release, if the guardrails let it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from contracts.errors import Misconfigured
from slidr.commands.output import AsJson, print_json

if TYPE_CHECKING:
    from contracts.verdicts import GuardrailVerdict
    from slidr.publishing import Outcome
    from slidr.settings import Settings

DAYS: Final = "days"
Candidate = Annotated[Path, typer.Argument(help="The folder that `slidr retrain` made.", show_default=False)]
Champion = Annotated[
    str | None,
    typer.Option(
        help="The release that it is to take the place of, to be compared with and named; without it, the one that "
        "decides now, if SLIDR_KAFKA_BOOTSTRAP_SERVERS is set."
    ),
]
History = Annotated[
    Path | None,
    typer.Option(
        help=f"Folder of summaries of the days that earlier candidates were made of; {DAYS}/ beside the candidate "
        "unless given. Those of a candidate that is published are added."
    ),
]
Override = Annotated[
    str | None,
    typer.Option(metavar="REASON", help="Publish although guardrails block it; why is kept in the release for ever."),
]


def publish(
    candidate: Candidate,
    champion: Champion = None,
    history: History = None,
    override: Override = None,
    as_json: AsJson = False,
) -> None:
    """Judge a candidate by the guardrails and publish it as a release in SLIDR_MODELS_URI.

    Each guardrail says what it measured and what its limit is; if one blocks, nothing is published (exit code 1). The
    release keeps the verdicts, also in its report. It decides nothing before it is promoted. With
    SLIDR_SIGNING_KEY_FILE it is signed. A candidate that was published before is left as it is.

    Example: slidr publish candidates/2024-06-01

    Example: slidr publish candidates/2024-06-01 --override "The drift is the new mobile site, see ticket 1234"
    """
    from guardrails.limits import read_limits
    from model.signature import read_signing_key, read_trusted_keys
    from slidr.guarding import judge_candidate
    from slidr.guarding_data import remember
    from slidr.publishing import Asked
    from slidr.publishing import publish as published
    from slidr.settings_source import load_settings

    if override is not None and not override.strip():
        raise Misconfigured("--override is kept in the release for ever: say why, in a few words.")
    settings = load_settings()
    limits = read_limits(settings.guardrails_file)
    days = history or candidate.absolute().parent / DAYS
    asked = Asked(
        models_uri=settings.models_uri,
        judge=lambda folder, beside: judge_candidate(folder, limits, beside, days),
        champion=champion or _active(settings),
        override=override,
        key=read_signing_key(settings.signing_key_file),
        trusted=read_trusted_keys(settings.trusted_keys_file),
    )
    outcome = published(candidate, asked)
    if outcome.published:
        remember(candidate, days)
    if as_json:
        print_json(outcome)
    else:
        _print(candidate, outcome, override)
    if not outcome.published:
        raise typer.Exit(1)


def _active(settings: "Settings") -> str | None:
    """The release that decides now, of a deployment that is known."""
    if not settings.kafka_bootstrap_servers:
        return None
    from slidr.loading import release_log
    from streams.release_log import in_force

    return in_force(release_log(settings).history(), settings.release).active


def _print(candidate: Path, outcome: "Outcome", override: str | None) -> None:
    from slidr.publishing import blocking

    version, blocked = outcome.version, blocking(outcome.verdicts)
    for verdict in blocked:
        _print_verdict(verdict)
    for verdict in outcome.verdicts:
        if verdict.outcome == "not judged":
            typer.echo(f"not judged  {_name(verdict)}: {verdict.sentence}")
    passed = sum(verdict.outcome == "passed" for verdict in outcome.verdicts)
    typer.echo(f"{passed} of {len(outcome.verdicts)} guardrails passed, {len(blocked)} block.")
    if not outcome.published:
        typer.echo(f"Release {version} is not published.")
        if override is None:
            typer.echo(f'With a good reason, it can be: slidr publish {candidate} --override "REASON"')
        return
    how = "was published before and is left as it is" if outcome.already else "is published"
    typer.echo(f"Release {version} {how}, in {outcome.models_uri}.")
    if outcome.override is not None:
        typer.echo(f"Guardrails were overridden: {outcome.override}")
    elif override is not None and not outcome.already:
        typer.echo("Nothing blocks it, so that the reason given is not kept.")
    typer.echo(f'Put it to work: slidr promote {version} --reason "WHY"')


def _print_verdict(verdict: "GuardrailVerdict") -> None:
    typer.echo(f"BLOCKED     {_name(verdict)}: {verdict.sentence}")
    if verdict.measured is not None and verdict.limit is not None:
        typer.echo(f"            measured {verdict.measured:.4g}, limit {verdict.limit:.4g}")
    typer.echo(f"            {verdict.remedy}")


def _name(verdict: "GuardrailVerdict") -> str:
    return f"{verdict.guardrail} ({verdict.where})" if verdict.where else verdict.guardrail
