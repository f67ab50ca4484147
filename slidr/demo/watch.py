"""What the workers say of themselves on `/metrics`, added up."""

import math
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from streams.metrics import Name


class Snapshot(NamedTuple):
    """Sums over all workers that answer; `buckets` is the cumulative histogram of in-worker latency, by seconds."""

    workers: int
    clicks: int
    invalid: int
    rules: dict[str, int]
    buckets: dict[float, float]

    def in_worker_ms(self, q: float, since: "Snapshot | None" = None) -> float:
        """Quantile q of in-worker latency since an earlier snapshot, in milliseconds: its bucket's upper bound."""
        earlier = since.buckets if since else {}
        return quantile_ms({bound: count - earlier.get(bound, 0) for bound, count in self.buckets.items()}, q)


def watch(ports: Iterable[int]) -> Snapshot:
    """Ask every worker on the loopback; one that does not answer is left out."""
    sums: dict[str, float] = defaultdict(float)
    buckets: dict[float, float] = defaultdict(float)
    rules: dict[str, int] = defaultdict(int)
    answered = 0
    for text in filter(None, map(_metrics, ports)):
        answered += 1
        for sample in (sample for family in text_string_to_metric_families(text) for sample in family.samples):
            sums[sample.name] += sample.value
            if sample.name == f"{Name.IN_WORKER}_bucket":
                buckets[float(sample.labels["le"])] += sample.value
            elif sample.name == Name.DECISIONS and sample.labels["verdict"] == "invalid":
                sums["invalid"] += sample.value
            elif sample.name == Name.RULES_FIRED:
                rules[sample.labels["rule"]] += int(sample.value)
    return Snapshot(
        workers=answered,
        clicks=int(sums[Name.CLICKS]),
        invalid=int(sums["invalid"]),
        rules=dict(rules),
        buckets=dict(buckets),
    )


def quantile_ms(buckets: dict[float, float], q: float) -> float:
    """Upper bound of the bucket that holds quantile q of a cumulative histogram in seconds; 0 without values."""
    total = buckets.get(math.inf, 0.0)
    for bound_s in sorted(buckets):
        if total and buckets[bound_s] >= q * total:
            return round(1_000 * bound_s, 2)
    return 0.0


def ready(port: int) -> bool:
    """Whether the worker decides clicks."""
    return _get(port, "/readyz") is not None


def _metrics(port: int) -> str | None:
    return _get(port, "/metrics")


def _get(port: int, path: str) -> str | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return bytes(answer.read()).decode()
    except (urllib.error.URLError, OSError):
        return None
