"""`slidr topics`: the topics of a deployment."""

from typing import Annotated

import typer

from slidr.commands.output import AsJson, print_json

app = typer.Typer(help="The topics of a deployment.", no_args_is_help=True)

Partitions = Annotated[
    int,
    typer.Option(min=1, help="Partitions of clicks and of what is decided; at most so many workers share the work."),
]
Replication = Annotated[
    int | None, typer.Option(min=1, help="Copies of each record; without it three, or as many as there are brokers.")
]
KeepForever = Annotated[
    bool | None,
    typer.Option(
        "--keep-forever/--keep-by-age",
        help="Delete nothing, which imported history needs: Kafka deletes by a record's own time. "
        "The default with the servers of `slidr servers up`.",
    ),
]


@app.command()
def create(
    partitions: Partitions = 4,
    replication: Replication = None,
    keep_forever: KeepForever = None,
    as_json: AsJson = False,
) -> None:
    """Make the topics that are missing, leave the others as they are, and check all.

    Example: slidr topics create --partitions 12 --replication 3
    """
    from slidr.running import running_servers
    from slidr.settings import kafka_config
    from slidr.settings_source import load_settings
    from streams.topic_admin import check_topics_at_start, create_topics

    settings = load_settings(need=["kafka_bootstrap_servers"])
    if keep_forever is None:
        running = running_servers()
        keep_forever = running is not None and running.kafka_bootstrap_servers == settings.kafka_bootstrap_servers
    kafka = kafka_config(settings, "admin")
    done = create_topics(kafka, settings.topic_prefix, partitions, replication, keep_forever)
    if as_json:
        print_json({"topics": [topic._asdict() for topic in done]})
    else:
        for topic in done:
            what = "made" if topic.made else "was there, left as it is"
            typer.echo(f"{topic.name:<20} {topic.partitions:>3} partition(s)  {what}")
    check_topics_at_start(kafka, settings.topic_prefix, replication)
