"""Releases are switched while two workers run under load: how soon each has acted, and what it does to the latency.

    event written ──► read ──► loaded and warmed up ──► swapped ──► told in `worker-status`
         |------------------------ seconds to the last worker's swap ------------------|

The events are those of `slidr promote`, `shadow` and `rollback`, in turns, from the end of the warm-up on. The
priority is that of both workers and Redis.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from msgspec import Struct
from rich.progress import Progress

from bench.deployment import Deployment, MeasuredWorker
from bench.latency import Load, measure_load
from bench.process import raise_priority
from bench.quantiles import Quantiles, quantiles
from contracts.events import ReleaseAction, ReleaseEvent
from contracts.topics import Topic
from model.manifest import thresholds_json
from model.release import Draft, load_release, write_release
from model.store import ModelStore
from slidr.releasing import Written, wait_until_acted
from streams.metrics import Name
from streams.release_admin import ReleaseLog
from streams.release_log import fold, in_force, last_stable
from streams.worker_watch import WorkerWatch

WORKERS: Final = 2
OTHER: Final = "the-same-model-again"
# Between two events, so that each has clicks of its own.
PAUSE_S: Final = 4.0
AROUND_S: Final = 1.0
_TIMEOUT_S: Final = 30.0


class Swap(Struct, frozen=True):
    """One event: when it was written (monotonic), and seconds until the last worker had acted upon it."""

    action: ReleaseAction
    version: str
    at_s: float
    acted_s: float


def measure_swaps(place: Deployment, load: Load, shown: Progress) -> dict[str, Any]:
    """Two workers at one rate: all switches, the in-worker latency over all clicks and of those around a switch."""
    _write_other(place)
    prefix = f"swaps-{load.clicks_per_s:.0f}-"
    place.create_topics(prefix)
    with place.worker(prefix) as first, place.worker(prefix) as second:
        for worker in (first, second):
            worker.wait_ready()
        for pid in (first.pid, second.pid, place.servers.redis.pid):
            raise_priority(pid, load.priority)
        switching = _Switching(place, prefix, lambda: _decided(first, second) > load.clicks_per_s * load.warm_up_s)
        switching.start()
        try:
            arrivals, used = measure_load(place, load, prefix, first, shown, f"switches at {load.clicks_per_s:,.0f}/s")
        finally:
            switching.end()
        for worker in (first, second):
            worker.stop()
    seen = np.concatenate([np.load(worker.latencies)[Name.IN_WORKER.value] for worker in (first, second)])
    seen = seen[seen[:, 0] > arrivals.warm_s]
    return {
        "clicks_per_s": load.clicks_per_s,
        "duration_s": load.duration_s,
        "priority": load.priority,
        "swaps": switching.swaps,
        "in_worker": quantiles(seen[:, 1], seen[:, 2]),
        "around_swaps": _around(seen, switching.swaps),
        "timer_late": arrivals.timer_late,
        "cpu": used,
    }


class _Switching(threading.Thread):
    """Gives one event after the other, from when `begin()` says so until `end()`."""

    def __init__(self, place: Deployment, prefix: str, begin: Callable[[], bool]) -> None:
        super().__init__(name="switching")
        self.swaps: list[Swap] = []
        self._place = place
        self._prefix = prefix
        self._begin = begin
        self._ended = threading.Event()
        self._log = ReleaseLog(place.kafka, prefix + Topic.MODEL_RELEASES, place.release)

    def end(self) -> None:
        """No event after this."""
        self._ended.set()
        self.join()

    def run(self) -> None:
        """Promote, shadow off and on, roll back, and again."""
        while not self._begin() and not self._ended.wait(0.1):
            pass
        with WorkerWatch(self._place.kafka, self._prefix + Topic.WORKER_STATUS, _now_ms()) as watch:
            while not self._ended.wait(PAUSE_S):
                self._switch(watch)

    def _switch(self, watch: WorkerWatch) -> None:
        history = self._log.history()
        state = in_force(history, self._place.release)
        steps: list[tuple[ReleaseAction, str]] = [
            ("promote", OTHER),
            ("shadow", ""),
            ("shadow", self._place.release),
            ("rollback", last_stable(history)),
        ]
        action, version = steps[len(self.swaps) % len(steps)]
        at_s, at_ms = time.monotonic(), _now_ms()
        event = ReleaseEvent(action, version, state.offset, at_ms, "bench", "a benchmark")
        offset = self._log.append(event)
        written = Written(offset, event, state, fold([(offset, event)], state)[0].after)
        acted = wait_until_acted(watch, written, _TIMEOUT_S)
        assert len(acted.done) == WORKERS, acted
        last_ms = max(status.at_ms for status in acted.done)
        self.swaps.append(Swap(action, version or "none", at_s, (last_ms - at_ms) / 1_000))


def _write_other(place: Deployment) -> None:
    """A second release with the model of the first, unless it is there."""
    if ModelStore(place.models_uri).has(OTHER):
        return
    release = load_release(place.models_uri, place.release)
    assert release.manifest is not None
    assert release.onnx is not None
    draft = Draft(
        onnx=release.onnx,
        rules_json=release.rules_json,
        calibration_json=thresholds_json(release.thresholds),
        feature_ids=release.feature_ids,
        training=release.manifest.training,
        metrics={},
        created_at_ms=release.manifest.created_at_ms,
    )
    write_release(place.models_uri, OTHER, draft)


def _decided(*workers: MeasuredWorker) -> float:
    return sum(worker.metric(Name.CLICKS) for worker in workers)


def _around(seen: np.ndarray[Any, Any], swaps: list[Swap]) -> Quantiles:
    """Latencies observed from when an event was written until `AROUND_S` after its last swap."""
    near = np.zeros(len(seen), bool)
    for swap in swaps:
        near |= (seen[:, 0] > swap.at_s) & (seen[:, 0] < swap.at_s + swap.acted_s + AROUND_S)
    return quantiles(seen[near, 1], seen[near, 2])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
