"""Every metric of the worker, declared once, with its unit in the name. The docs' table is made from `METRICS`."""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from enum import StrEnum

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from contracts.events import Decision
from streams.declared import Declared
from streams.lane import Chunk


class Name(StrEnum):
    """Names of all metrics."""

    CLICKS = "slidr_clicks_total"
    DECISIONS = "slidr_decisions_total"
    RULES_FIRED = "slidr_rules_fired_total"
    DEAD_LETTERS = "slidr_dead_letters_total"
    FLAGGED = "slidr_flagged_rows_total"
    TAKES = "slidr_takes_total"
    CHUNK_RECORDS = "slidr_chunk_records"
    IN_WORKER = "slidr_in_worker_seconds"
    END_TO_END = "slidr_end_to_end_seconds"
    STORE = "slidr_feature_store_seconds"
    MODEL = "slidr_model_seconds"
    STORE_UNAVAILABLE = "slidr_feature_store_unavailable_total"
    RECOVERIES = "slidr_recoveries_total"
    HEALED = "slidr_healed_clicks_total"
    LAG = "slidr_lag_records"
    BACKLOG = "slidr_backlog_records"
    IN_FLIGHT = "slidr_in_flight_records"
    PARKED_RATIO = "slidr_parked_ratio"
    PARTITION_STATE = "slidr_partition_state"
    RELEASE = "slidr_release_info"
    SWAPS = "slidr_release_swaps_total"
    LOAD_FAILURES = "slidr_release_load_failures_total"
    SHADOW = "slidr_shadow_info"
    SHADOW_CLICKS = "slidr_shadow_clicks_total"
    SHADOW_SECONDS = "slidr_shadow_seconds"
    SHADOW_FAILURES = "slidr_shadow_failures_total"


METRICS: dict[Name, tuple[str, tuple[str, ...]]] = {
    Name.CLICKS: ("Clicks read from the topic and decoded", ()),
    Name.DECISIONS: ("Decisions handed to delivery", ("verdict",)),
    Name.RULES_FIRED: ("Rules that fired", ("rule",)),
    Name.DEAD_LETTERS: ("Records parked in dead-letters, by the field at fault", ("path",)),
    Name.FLAGGED: ("Feature-log rows with a flag, not trained on", ()),
    Name.TAKES: ("Takes completed", ()),
    Name.CHUNK_RECORDS: ("Records in a chunk: one call to the feature store", ()),
    Name.IN_WORKER: ("From poll returned to decision handed to delivery", ()),
    Name.END_TO_END: ("From the click's Kafka timestamp to its decision", ()),
    Name.STORE: ("From a call's hand-over to the feature store to its answer taken up", ()),
    Name.MODEL: ("Rules, model and thresholds of one take", ()),
    Name.STORE_UNAVAILABLE: ("Chunks put back because the feature store did not answer", ()),
    Name.RECOVERIES: ("Recoveries of a partition's state, first assignment included", ()),
    Name.HEALED: ("Clicks counted again after a loss of state", ()),
    Name.LAG: ("Records of the partition behind its end", ("partition",)),
    Name.BACKLOG: ("Records fetched and waiting", ("partition",)),
    Name.IN_FLIGHT: ("Records handed over and not finished", ()),
    Name.PARKED_RATIO: ("Share of bad records among the last of the partition", ("partition",)),
    Name.PARTITION_STATE: ("1 for the state that the partition is in", ("partition", "state")),
    Name.RELEASE: ("1 for the release in use", ("version", "provider")),
    Name.SWAPS: ("Releases swapped in", ()),
    Name.LOAD_FAILURES: ("Tries to load a release that failed; the one before goes on serving", ()),
    Name.SHADOW: ("1 for the release that is scored beside the one in use", ("version", "provider")),
    Name.SHADOW_CLICKS: (
        "Clicks scored by the shadow release too, by both verdicts: where these differ, it would flip the decision",
        ("slice", "verdict", "shadow_verdict"),
    ),
    Name.SHADOW_SECONDS: ("Shadow release: rules, model and thresholds of one take, after its decisions", ()),
    Name.SHADOW_FAILURES: ("Shadow releases given up because they failed while scoring; decisions went on", ()),
}

# 0.1 ms to 60 s in steps of a fifth: an estimated percentile is off by less than a tenth.
LATENCY_BOUNDS_S: tuple[float, ...] = tuple(1e-4 * 1.2**i for i in range(math.ceil(math.log(6e5, 1.2)) + 1))


class LatencyHistogram(Collector):
    """A histogram that takes n equal values, or an array, in one step: all clicks of a poll share their latency."""

    def __init__(self, name: Name, registry: CollectorRegistry) -> None:
        self._name = name
        self._counts = [0] * (len(LATENCY_BOUNDS_S) + 1)
        self._sum_s = 0.0
        registry.register(self)

    def observe(self, value_s: float, n: int = 1) -> None:
        """Take in n values of `value_s` seconds."""
        self._counts[bisect_left(LATENCY_BOUNDS_S, value_s)] += n
        self._sum_s += value_s * n

    def quantile_s(self, q: float) -> float:
        """Upper bound of the bucket that holds quantile q, in seconds; 0 without values."""
        rank = q * sum(self._counts)
        seen = 0
        for bound, count in zip((*LATENCY_BOUNDS_S, math.inf), self._counts, strict=True):
            seen += count
            if count and seen >= rank:
                return bound
        return 0.0

    def collect(self) -> Iterator[Metric]:
        """For Prometheus."""
        cumulative = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*LATENCY_BOUNDS_S, math.inf), self._counts, strict=True):
            cumulative += count
            buckets.append(("+Inf" if bound == math.inf else f"{bound:.6g}", float(cumulative)))
        family = HistogramMetricFamily(self._name.value, METRICS[self._name][0])
        family.add_metric([], buckets, self._sum_s)
        yield family


class Metrics(Declared):
    """The worker's metrics in a registry of their own."""

    def __init__(self) -> None:
        super().__init__(METRICS)
        self.clicks = self._counter(Name.CLICKS)
        self.decisions = self._counter(Name.DECISIONS)
        self.rules_fired = self._counter(Name.RULES_FIRED)
        self.dead_letters = self._counter(Name.DEAD_LETTERS)
        self.flagged = self._counter(Name.FLAGGED)
        self.takes = self._counter(Name.TAKES)
        self.unavailable = self._counter(Name.STORE_UNAVAILABLE)
        self.recoveries = self._counter(Name.RECOVERIES)
        self.healed = self._counter(Name.HEALED)
        self.swaps = self._counter(Name.SWAPS)
        self.load_failures = self._counter(Name.LOAD_FAILURES)
        self.shadow_clicks = self._counter(Name.SHADOW_CLICKS)
        self.shadow_failures = self._counter(Name.SHADOW_FAILURES)
        self.lag = self._gauge(Name.LAG)
        self.backlog = self._gauge(Name.BACKLOG)
        self.in_flight = self._gauge(Name.IN_FLIGHT)
        self.parked_ratio = self._gauge(Name.PARKED_RATIO)
        self.partition_state = self._gauge(Name.PARTITION_STATE)
        self.release = self._gauge(Name.RELEASE)
        self.shadow = self._gauge(Name.SHADOW)
        self.chunk_records = Histogram(
            Name.CHUNK_RECORDS,
            METRICS[Name.CHUNK_RECORDS][0],
            registry=self.registry,
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
        )
        self.in_worker = LatencyHistogram(Name.IN_WORKER, self.registry)
        self.end_to_end = LatencyHistogram(Name.END_TO_END, self.registry)
        self.store = LatencyHistogram(Name.STORE, self.registry)
        self.model = LatencyHistogram(Name.MODEL, self.registry)
        self.shadow_seconds = LatencyHistogram(Name.SHADOW_SECONDS, self.registry)
        self._valid, self._invalid = self.decisions.labels("valid"), self.decisions.labels("invalid")

    def decided(self, chunk: Chunk, decisions: Sequence[Decision], now_s: float, decided_at_ms: int) -> None:
        """Take in a chunk handed to delivery at monotonic `now_s`."""
        n = len(decisions)
        self.clicks.inc(n)
        self.chunk_records.observe(len(chunk))
        for piece in chunk.pieces:
            self.in_worker.observe(now_s - piece.polled_at_s, len(piece.records))
        for timestamp_ms in chunk.decoded.timestamps_ms:
            self.end_to_end.observe((decided_at_ms - timestamp_ms) / 1000)
        invalid = [decision for decision in decisions if decision.verdict == "invalid"]
        self._valid.inc(n - len(invalid))
        self._invalid.inc(len(invalid))
        for decision in invalid:
            for rule in decision.rules:
                self.rules_fired.labels(rule).inc()
        if any(chunk.decoded.flags):
            self.flagged.inc(sum(map(bool, chunk.decoded.flags)))
        for bad in chunk.decoded.bad:
            self.dead_letters.labels(bad.path).inc()
