"""What `slidr releases` shows: the log, the workers, the model store."""

from typing import Any

from msgspec import Struct

from contracts.errors import SlidrError
from contracts.events import WorkerStatus
from contracts.topics import Topic, topic_name
from model.store import ModelStore
from slidr.loading import release_log
from slidr.settings import Settings, kafka_config
from streams.release_log import Entry, InForce, in_force, last_stable
from streams.worker_watch import WorkerWatch


class Overview(Struct, frozen=True):
    """`versions` are those in the model store, None if it does not answer: `store_problem` says why."""

    in_force: InForce
    last_stable: str
    history: list[Entry]
    workers: list[WorkerStatus]
    versions: list[str] | None
    store_problem: str | None


def overview(settings: Settings, now_ms: int) -> tuple[Overview, SlidrError | None]:
    """All there is to know, and what to raise about the model store. Raises Unavailable or Misconfigured for Kafka."""
    history = release_log(settings).history()
    status_topic = topic_name(Topic.WORKER_STATUS, settings.topic_prefix)
    with WorkerWatch(kafka_config(settings, "consumer"), status_topic, now_ms) as watch:
        workers = watch.live(now_ms)
    versions, error = _versions(settings.models_uri)
    found = Overview(
        in_force(history, settings.release),
        last_stable(history),
        history,
        workers,
        versions,
        None if error is None else str(error),
    )
    return found, error


def in_use(found: Overview) -> set[str]:
    """Releases that decide, are scored beside them, or are gone back to."""
    state = found.in_force
    running = {version for status in found.workers for version in (status.release, status.shadow)}
    return {version for version in (state.active, state.shadow, found.last_stable, *running) if version}


def plain(found: Overview) -> dict[str, Any]:
    """What JSON shows of it: tuples by the names of their fields."""
    return {
        "in_force": found.in_force._asdict(),
        "last_stable": found.last_stable,
        "history": [
            {**entry._asdict(), "before": entry.before._asdict(), "after": entry.after._asdict()}
            for entry in found.history
        ],
        "workers": found.workers,
        "versions": found.versions,
        "store_problem": found.store_problem,
    }


def _versions(models_uri: str) -> tuple[list[str] | None, SlidrError | None]:
    try:
        return ModelStore(models_uri).versions(), None
    except SlidrError as error:
        return None, error
