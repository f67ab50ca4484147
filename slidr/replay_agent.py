"""Runs one replay agent in this process until SIGTERM or SIGINT: then it leaves what is not done to others."""

import asyncio
import signal
from functools import partial

import structlog
import uvloop

from replay.agent import AgentOptions, ReplayAgent
from replay.broker import broker_of
from slidr.logs import log_to_stderr
from slidr.recomputing import recompute_by_agent
from slidr.replaying import releases_of, where_of
from slidr.settings import Settings, kafka_config
from streams.topic_admin import check_topics_at_start


def run_replay_agent(settings: Settings) -> None:
    """Return after a graceful end; raise the SlidrError that ended it otherwise."""
    log_to_stderr()
    check_topics_at_start(kafka_config(settings, "admin"), settings.topic_prefix)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings))


async def _run(settings: Settings) -> None:
    log = structlog.get_logger()
    where = where_of(settings, settings.worker_id)
    options = AgentOptions(
        where=where,
        broker=broker_of(where.kafka),
        group=f"{settings.group}-replay",
        session_s=settings.session_timeout_s,
        http_host=settings.http_host,
        http_port=settings.metrics_port,
    )
    agent = ReplayAgent(options, releases_of(settings), partial(recompute_by_agent, settings, where))
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, agent.stop)
    up = partial(log.info, "replay agent up", agent=settings.worker_id, group=options.group)
    await agent.run(lambda port: up(health=f"http://{settings.http_host}:{port}"))
    log.info("replay agent stopped", agent=settings.worker_id)
