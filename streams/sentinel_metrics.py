"""Every metric of the sentinel, declared once, with its unit in the name. The docs' table is made from `METRICS`."""

from enum import StrEnum

from streams.declared import Declared
from streams.sentinel import Report


class Name(StrEnum):
    """Names of all metrics."""

    JUDGEMENTS = "slidr_sentinel_judgements_total"
    ACTIONS = "slidr_sentinel_actions_total"
    ALARMS = "slidr_sentinel_alarms"
    STREAM_TIME = "slidr_sentinel_stream_time_seconds"
    LEFT = "slidr_sentinel_catching_up_records"


METRICS: dict[Name, tuple[str, tuple[str, ...]]] = {
    Name.JUDGEMENTS: ("Judgements", ()),
    Name.ACTIONS: ("Actions decided upon, written or not", ("action",)),
    Name.ALARMS: ("Verdicts of the last judgement that are over their limit", ("guardrail",)),
    Name.STREAM_TIME: ("When the newest judged click was made, since 1970: stands still when nothing is judged", ()),
    Name.LEFT: ("Records still to be read before the first judgement", ()),
}


class SentinelMetrics(Declared):
    """The sentinel's metrics in a registry of their own."""

    def __init__(self) -> None:
        super().__init__(METRICS)
        self._judgements = self._counter(Name.JUDGEMENTS)
        self._actions = self._counter(Name.ACTIONS)
        self._alarms = self._gauge(Name.ALARMS)
        self._stream_time = self._gauge(Name.STREAM_TIME)
        self.left = self._gauge(Name.LEFT)

    def reported(self, report: Report) -> None:
        """Take in a judgement."""
        judgement = report.judgement
        self._judgements.inc()
        self._stream_time.set(judgement.at_ms / 1000)
        self._alarms.clear()
        for verdict in judgement.verdicts:
            if verdict.outcome == "blocked":
                self._alarms.labels(verdict.guardrail).inc()
        if judgement.action:
            self._actions.labels(judgement.action.action).inc()
