"""Every metric of a replay agent, declared once, with its unit in the name. The docs' table is made from `METRICS`."""

from collections.abc import Callable
from enum import StrEnum

from contracts.replay import ReplayProgress
from streams.declared import Declared


class Name(StrEnum):
    """Names of all metrics."""

    CLICKS = "slidr_replay_clicks_total"
    RECORDS = "slidr_replay_records_total"
    PROBLEMS = "slidr_replay_problems_total"
    RETRIES = "slidr_replay_retries_total"
    LEFT_OUT = "slidr_replay_left_out_total"
    ASSIGNED = "slidr_replay_assigned_partitions"
    UNDER_WAY = "slidr_replay_partitions_under_way"


METRICS: dict[Name, tuple[str, tuple[str, ...]]] = {
    Name.CLICKS: ("Clicks counted again, compared or decided again, as the agent tells of them each second", ("step",)),
    Name.RECORDS: ("Decisions written by replays", ()),
    Name.PROBLEMS: ("Tasks given up because somebody must act; `slidr replay status` says which and why", ()),
    Name.RETRIES: ("Work tried again because Kafka or the model store did not answer", ()),
    Name.LEFT_OUT: ("Records of replay-requests and replay-tasks that cannot be read", ()),
    Name.ASSIGNED: ("Partitions of replay-tasks that the group has given to this agent", ()),
    Name.UNDER_WAY: ("Partitions that are worked on; a run that counts features again is one", ()),
}


class ReplayMetrics(Declared):
    """The agent's metrics in a registry of their own."""

    def __init__(self) -> None:
        super().__init__(METRICS)
        self.retries = self._counter(Name.RETRIES)
        self.left_out = self._counter(Name.LEFT_OUT)
        self.assigned = self._gauge(Name.ASSIGNED)
        self.under_way = self._gauge(Name.UNDER_WAY)
        self._clicks = self._counter(Name.CLICKS)
        self._records = self._counter(Name.RECORDS)
        self._problems = self._counter(Name.PROBLEMS)

    def of_task(self) -> Callable[[ReplayProgress], None]:
        """Takes in what is told of one task, record by record; what was done before its first counts for nothing."""
        newest: dict[int, ReplayProgress] = {}

        def told(progress: ReplayProgress) -> None:
            before = newest.get(progress.partition)
            newest[progress.partition] = progress
            if progress.problem is not None:
                self._problems.inc()
            elif before is not None and _step(before) == _step(progress):
                self._clicks.labels(_step(progress)).inc(_clicks(progress) - _clicks(before))
                self._records.inc(progress.written - before.written)

        return told


def _step(progress: ReplayProgress) -> str:
    return progress.preparation.step if progress.preparation else "deciding"


def _clicks(progress: ReplayProgress) -> int:
    """How many clicks of its step are done, from some fixed one on."""
    return progress.preparation.clicks if progress.preparation else progress.next_offset
