"""Doing the partitions of a run in this process, and what became of it."""

import getpass
import threading
from collections.abc import Callable

from msgspec import Struct

from contracts.agreement import Agreed
from contracts.replay import Replay, ReplayJob
from model.signature import read_trusted_keys
from replay.log import ReplayLog
from replay.logs import Logs
from replay.output import output_topic
from replay.releases import Releases
from replay.run import PartitionRun, Recounted, Where
from replay.status import RunState, RunStatus
from slidr.settings import Settings, kafka_config

# told(step, total, n): n more clicks of a step are done.
Told = Callable[[str, int, int], None]


class Outcome(Struct):
    """What became of a run; `written` records of it stand in `topic`.

    `agreement` of features counted again with those that were logged, of a run that counts them.
    """

    replay_id: str
    revision: int
    state: RunState
    written: int
    topic: str
    agreement: Agreed | None = None


def user() -> str:
    """Who runs the command, as it is written into the log of requests."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"


def releases_of(settings: Settings) -> Releases:
    """The releases of the deployment, and whose signatures it trusts."""
    return Releases(settings.models_uri, read_trusted_keys(settings.trusted_keys_file))


def logs_of(settings: Settings) -> Logs:
    """Feature log and decisions of the deployment, in Kafka and in the archive."""
    return Logs(kafka_config(settings, "consumer"), settings.topic_prefix, settings.archive_uri)


def where_of(settings: Settings, by: str) -> Where:
    """The deployment, for whoever works on a run."""
    return Where(kafka_config(settings, "consumer"), settings.topic_prefix, by, settings.archive_uri)


def do_partitions(
    settings: Settings, where: Where, replay: Replay, log: ReplayLog, on_clicks: Callable[[int], None],
    stop: threading.Event, recounted: Recounted | None = None,
) -> None:  # fmt: skip
    """Do all partitions of a run, one after the other, until `stop`. Raises SlidrError; what was done stays done."""
    rescorer = releases_of(settings).rescorer_for(replay.job)
    for partition in sorted(replay.job.spans):
        if not stop.is_set():
            PartitionRun(where, replay, partition, rescorer, log, on_clicks, stop, recounted).run()


def outcome_of(settings: Settings, run: RunStatus, replay: Replay) -> Outcome:
    """What became of a run."""
    topic = output_topic(replay, settings.topic_prefix)
    return Outcome(run.replay_id, run.revision, run.state, run.written, topic, run.agreement)


def clicks_of(job: ReplayJob) -> int:
    """How many records of `clicks` a job covers."""
    return sum(span.offsets for span in job.spans.values())


def clicks_to_count(job: ReplayJob) -> int:
    """How many records of `clicks` are counted again, those before the range included."""
    return sum(one.end - one.first for one in (job.recompute or {}).values())
