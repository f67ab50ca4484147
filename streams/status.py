"""What a worker says of itself: problems, gauges, and its record in `worker-status`."""

from collections.abc import Callable, Mapping

import msgspec

from contracts.events import PartitionStatus, WorkerStatus
from streams.delivery import Delivery
from streams.lane import LaneState
from streams.lanes import InFlight, Lanes
from streams.metrics import Metrics
from streams.releases import Releases

STALLED_S = 30.0


class Status:
    """Sums up lanes, releases and progress. Times are arguments."""

    def __init__(
        self,
        worker_id: str,
        lanes: Lanes,
        releases: Releases,
        in_flight: InFlight,
        lag: Callable[[], Mapping[int, int]],
    ) -> None:
        self._worker_id = worker_id
        self._lanes = lanes
        self._releases = releases
        self._in_flight = in_flight
        self._lag = lag
        self._done = 0
        self._progress_at_s = 0.0

    def problems(self, now_s: float) -> list[str]:
        """Sentences on what keeps this worker from deciding; empty when it is ready."""
        found = []
        if not self._lanes.active:
            found.append("No partition is assigned to this worker.")
        for partition, lane in self._lanes.active.items():
            if lane.state is LaneState.RECOVERING:
                found.append(f"clicks[{partition}] waits for its feature state to be complete.")
            if lane.parked.exceeded:
                found.append(
                    f"clicks[{partition}] is paused: {lane.parked.ratio:.0%} of its last records are no clicks. See "
                    "`slidr dead-letters list`; mend the producer, or raise SLIDR_DEAD_LETTER_LIMIT_RATIO, and restart."
                )
        if self._releases.problem:
            found.append(self._releases.problem)
        if self._stalled(now_s):
            found.append(f"{self._in_flight.count} records have been under way for over {STALLED_S:.0f} s.")
        return found

    def refresh(self, metrics: Metrics) -> None:
        """Set the gauges."""
        metrics.in_flight.set(self._in_flight.count)
        for gauge in (metrics.lag, metrics.backlog, metrics.parked_ratio, metrics.partition_state):
            gauge.clear()
        for partition, lane in self._lanes.active.items():
            metrics.lag.labels(partition).set(self._lag().get(partition, 0))
            metrics.backlog.labels(partition).set(lane.backlog)
            metrics.parked_ratio.labels(partition).set(lane.parked.ratio)
            metrics.partition_state.labels(partition, lane.state.value).set(1)

    def publish(self, delivery: Delivery, topic: str, now_s: float, now_ms: int, *, stopped: bool = False) -> None:
        """Write the worker's record. A shadow that cannot be scored is told, and leaves the worker ready."""
        problems = self.problems(now_s)
        judges, shadow_problem = self._releases.judges, self._releases.shadow_problem
        status = WorkerStatus(
            worker_id=self._worker_id,
            at_ms=now_ms,
            ready=not problems and not stopped,
            release=judges.active.version,
            partitions=tuple(
                PartitionStatus(
                    p, lane.finished_offset + 1, lane.release_from(judges.active.version), self._lag().get(p)
                )
                for p, lane in sorted(self._lanes.active.items())
            ),
            problems=(*problems, *([shadow_problem] if shadow_problem else [])),
            stopped=stopped,
            event_offset=self._releases.acted_upon,
            shadow=judges.shadow.version if judges.shadow else None,
        )
        delivery.produce(topic, 0, msgspec.json.encode(status), self._worker_id)

    def _stalled(self, now_s: float) -> bool:
        if self._in_flight.done != self._done or self._in_flight.count == 0:
            self._done = self._in_flight.done
            self._progress_at_s = now_s
        return now_s - self._progress_at_s > STALLED_S
