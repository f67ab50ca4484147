"""Runs one worker in this process until SIGTERM or SIGINT: then it drains, commits and leaves the group."""

import asyncio
import signal

import structlog
import uvloop

from slidr.logs import log_to_stderr
from slidr.settings import Settings
from slidr.wiring import build_worker

# What a worker cannot do without.
NEEDED_SETTINGS = ("kafka_bootstrap_servers", "redis_url", "entity_key")


def run_worker(settings: Settings, *, skip_expired: bool = False) -> None:
    """Return after a graceful end; raise the SlidrError that ended it otherwise."""
    log_to_stderr()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings, skip_expired))


async def _run(settings: Settings, skip_expired: bool) -> None:
    log = structlog.get_logger()
    worker = await build_worker(settings, skip_expired=skip_expired)
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, worker.stop)
    address = f"http://{settings.http_host}"
    await worker.run(lambda port: log.info("worker up", worker_id=settings.worker_id, health=f"{address}:{port}"))
    log.info("worker stopped", worker_id=settings.worker_id)
