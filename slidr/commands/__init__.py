"""The command line: one file a group, each registered below in one line.

Knows: words for people, options, exit codes. Files import at their top only what every command needs; servers, models
and mathematics are imported inside the command, so that `slidr --help` is quick and a worker loads no trainer.
Must not know: how anything is done.
"""

import typer

from slidr.commands import (
    archive,
    audit,
    calibrate,
    dead_letters,
    decisions,
    demo,
    doctor,
    import_,
    publish,
    releases,
    replay,
    replay_agent,
    retrain,
    sentinel,
    servers,
    simulate,
    topics,
    train,
    worker,
)

app = typer.Typer(
    help="Decides for every ad click, within milliseconds and exactly once, whether it is valid.",
    epilog="Settings are environment variables SLIDR_*, listed in .env.example. "
    "Exit codes: 0 done, 1 refused with a reason, 2 wrong usage or settings, 3 a server is unavailable.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # paragraphs of docstrings are filled to the terminal's width
)
app.command("audit")(audit.audit)
app.command("calibrate")(calibrate.calibrate)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("evaluate")(calibrate.evaluate)
app.command("promote")(releases.promote)
app.command("publish")(publish.publish)
app.command("replay-agent")(replay_agent.replay_agent)
app.command("retrain")(retrain.retrain)
app.command("rollback")(releases.rollback)
app.command("sentinel")(sentinel.sentinel)
app.command("shadow")(releases.shadow)
app.command("simulate")(simulate.simulate)
app.command("train")(train.train)
app.command("worker")(worker.worker)
app.add_typer(archive.app, name="archive")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(decisions.app, name="decisions")
app.add_typer(import_.app, name="import")
app.add_typer(releases.app, name="releases")
app.add_typer(replay.app, name="replay")
app.add_typer(servers.app, name="servers")
app.add_typer(topics.app, name="topics")
