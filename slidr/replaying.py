"""Running a replay, in this process or by agents."""

import getpass
from collections.abc import Callable

from msgspec import Struct

from contracts.replay import Replay, ReplayJob, ReplayState
from model.signature import read_trusted_keys
from replay.agreement import Agreed
from replay.log import ReplayLog
from replay.logs import Logs
from replay.output import output_topic
from replay.releases import Releases
from replay.rows import ReadRows
from replay.run import PartitionRun, Where
from replay.status import RunState, RunStatus, run_status
from slidr.replay_following import follow
from slidr.settings import Settings, kafka_config

# told(step, total, n): n more clicks of a step are done.
Told = Callable[[str, int, int], None]


class Outcome(Struct):
    """What became of a run; `written` records of it stand in `topic`.

    `agreement` of features counted again with those that were logged, where this process has counted them.
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


def run_here(
    settings: Settings,
    replay: Replay,
    log: ReplayLog,
    on_clicks: Callable[[int], None],
    read: ReadRows | None = None,
) -> Outcome:
    """Do all partitions of a run, one after the other. Raises SlidrError; what was done stays done."""
    where = Where(kafka_config(settings, "consumer"), settings.topic_prefix, user(), settings.archive_uri)
    rescorer = releases_of(settings).rescorer_for(replay.job)
    states = [
        PartitionRun(where, replay, partition, rescorer, log, on_clicks, read=read).run()
        for partition in sorted(replay.job.spans)
    ]  # fmt: skip
    written = sum(progress.written for progress in log.progress(replay.revision).values())
    state: ReplayState = "cancelled" if "cancelled" in states else "done"
    return Outcome(replay.id, replay.revision, state, written, output_topic(replay, settings.topic_prefix))


def run_by_agents(
    settings: Settings, replay: Replay, log: ReplayLog, now_ms: Callable[[], int], say: Callable[[str], None]
) -> Outcome:
    """Look at what agents do of a run, until it is at its end or somebody has seen enough. Raises SlidrError."""

    def found() -> RunStatus:
        return run_status(log.replay(replay.revision) or replay, log.progress(replay.revision), now_ms())

    run = follow(found, settings.session_timeout_s, say)
    return Outcome(replay.id, replay.revision, run.state, run.written, output_topic(replay, settings.topic_prefix))


def clicks_of(job: ReplayJob) -> int:
    """How many records of `clicks` a job covers."""
    return sum(span.offsets for span in job.spans.values())
