"""`slidr doctor`: is everything here that a worker needs?"""

import typer

from slidr.commands.output import AsJson, print_json

MARKS = {"right": "ok", "wrong": "WRONG", "unavailable": "DOWN", "not needed": "-"}


def doctor(as_json: AsJson = False) -> None:
    """Look at Python, packages, settings, Kafka, topics, Redis and releases, and say what to do about each.

    Exit code 2 when something has to be mended, 3 when a server does not answer.

    Example: slidr doctor --json
    """
    from slidr.doctor import examine, exit_code

    findings = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            typer.echo(f"{MARKS[finding.state]:<6} {finding.what:<20} {finding.seen}")
            if finding.remedy:
                typer.echo(f"{'':<28}{finding.remedy}")
    if as_json:
        print_json({"findings": [finding._asdict() for finding in findings]})
    raise typer.Exit(exit_code(findings))
