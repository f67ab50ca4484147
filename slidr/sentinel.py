"""Runs the sentinel: its parts put together, its metrics served, and patience with servers that do not answer."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import start_http_server

from contracts.errors import Misconfigured, Unavailable
from contracts.topics import Topic, topic_name
from contracts.verdicts import SliceBands
from guardrails.limits import read_limits
from guardrails.sentinel.limits import SentinelLimits
from model.release import load_release
from model.signature import read_trusted_keys
from slidr.settings import Settings, kafka_config
from streams.release_admin import ReleaseLog
from streams.sentinel import Now, Report, Sentinel
from streams.sentinel_metrics import SentinelMetrics
from streams.sentinel_store import SentinelStore
from streams.topic_reader import TopicReader

log = structlog.get_logger()
RETRY_S = 1.0
PATIENCE_S = 300.0


def run_sentinel(
    settings: Settings,
    *,
    dry_run: bool,
    stopped: Callable[[], bool],
    on_report: Callable[[Report], None],
) -> None:
    """Judge until `stopped()`; what was counted is saved at the end. Raises SlidrError when out of patience."""
    limits, metrics = read_limits(settings.guardrails_file).sentinel, SentinelMetrics()
    with _served(settings, metrics):
        patience = _Patience(stopped)
        while not stopped():
            try:
                with _sentinel(settings, limits, dry_run) as sentinel:
                    _run(sentinel, metrics, stopped, on_report, patience)
            except Unavailable as error:  # begin again from what was saved
                patience.lost(error)


def _run(
    sentinel: Sentinel,
    metrics: SentinelMetrics,
    stopped: Callable[[], bool],
    on_report: Callable[[Report], None],
    patience: "_Patience",
) -> None:
    sentinel.start(_now())
    log.info("sentinel up", to_be_read=sentinel.left)
    while not stopped():
        report = sentinel.step(_now())
        patience.answered()
        metrics.left.set(sentinel.left)
        if report:
            metrics.reported(report)
            on_report(report)
    sentinel.save(_now())


class _Patience:
    """Waits a moment after each failure; raises the last one when nothing has worked for `PATIENCE_S`."""

    def __init__(self, stopped: Callable[[], bool]) -> None:
        self._stopped = stopped
        self.answered()

    def answered(self) -> None:
        """Something worked."""
        self._until_s = time.monotonic() + PATIENCE_S

    def lost(self, error: Unavailable) -> None:
        """Something did not."""
        if time.monotonic() > self._until_s:
            raise error
        log.warning("tried again", reason=str(error))
        if not self._stopped():
            time.sleep(RETRY_S)


@contextmanager
def _sentinel(settings: Settings, limits: SentinelLimits, dry_run: bool) -> Iterator[Sentinel]:
    consumer, producer = kafka_config(settings, "consumer"), kafka_config(settings, "producer")
    names = {topic: topic_name(topic, settings.topic_prefix) for topic in Topic}
    clicks, purchases = (TopicReader(consumer, names[topic]) for topic in (Topic.FEATURE_LOG, Topic.PURCHASES))
    sentinel = Sentinel(
        clicks,
        purchases,
        ReleaseLog(producer, names[Topic.MODEL_RELEASES], settings.release),
        SentinelStore(producer, names[Topic.SENTINEL_STATE]),
        lambda version: _expected(settings, version),
        settings.release,
        limits,
        dry_run=dry_run,
    )
    try:
        yield sentinel
    finally:
        sentinel.close()


def _expected(settings: Settings, version: str) -> dict[str, SliceBands]:
    manifest = load_release(settings.models_uri, version, read_trusted_keys(settings.trusted_keys_file)).manifest
    return dict(manifest.expected) if manifest else {}


@contextmanager
def _served(settings: Settings, metrics: SentinelMetrics) -> Iterator[None]:
    """`/metrics` on SLIDR_METRICS_PORT."""
    try:
        server, thread = start_http_server(settings.metrics_port, settings.http_host, metrics.registry)
    except OSError as error:
        raise Misconfigured(
            f"Metrics cannot be served on {settings.http_host}:{settings.metrics_port}: {error.strerror}. A worker may "
            "have the port: set SLIDR_METRICS_PORT to a free one, or to 0 for any."
        ) from error
    log.info("metrics", url=f"http://{settings.http_host}:{server.server_port}/metrics")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _now() -> Now:
    return Now(time.time_ns() // 1_000_000, time.monotonic())
