"""`slidr servers`: a Kafka and a Redis of this machine, for a first look and for trying things out."""

import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.errors import Unavailable
from slidr.commands.output import AsJson, print_json
from slidr.folders import state_dir
from slidr.running import RunningServers, announce, keeper_pid, only_servers_of_this_user, running_servers

if TYPE_CHECKING:
    from slidr.servers import EmbeddedServers

app = typer.Typer(help="A Kafka and a Redis of this machine, without Docker.", no_args_is_help=True)

POLL_S = 0.1
DOWN_LIMIT_S = 60.0

Data = Annotated[Path | None, typer.Option(help="Folder to keep the data in; without it the data is thrown away.")]
KafkaPort = Annotated[int | None, typer.Option(min=1, max=65535, help="Kafka's port; any free one without it.")]
RedisPort = Annotated[int | None, typer.Option(min=1, max=65535, help="Redis's port; any free one without it.")]
Detach = Annotated[bool, typer.Option("--detach", help="Return when they are up; `slidr servers down` stops them.")]


@app.command()
def up(data: Data = None, kafka_port: KafkaPort = None, redis_port: RedisPort = None, detach: Detach = False) -> None:
    """Start Kafka and Redis, and keep them up until Ctrl-C.

    Other commands of this user find them by themselves, as long as no addresses are set.

    Example: slidr servers up --data ~/slidr-data
    """
    if detach:
        _detach(data, kafka_port, redis_port)
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with only_servers_of_this_user():
            _keep_up(data, kafka_port, redis_port)
    except KeyboardInterrupt:
        typer.echo("Kafka and Redis are stopped.")


@app.command()
def status(as_json: AsJson = False) -> None:
    """Say whether servers are up and where; exit code 3 when they are not.

    Example: slidr servers status --json
    """
    running = running_servers()
    if running is None:
        starting = keeper_pid() is not None
        if as_json:
            print_json({"up": False, "starting": starting})
        raise Unavailable("They are still starting." if starting else "None are up. `slidr servers up` starts them.")
    if as_json:
        print_json({"up": True, **running.addresses(), "data": running.folder, "pid": keeper_pid()})
    else:
        _print(running)


@app.command()
def down() -> None:
    """Stop the servers that `slidr servers up` keeps up, from another terminal.

    Example: slidr servers down
    """
    pid = keeper_pid()
    if pid is None:
        typer.echo("No servers are up.")
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_LIMIT_S
    while keeper_pid() == pid:
        if time.monotonic() > deadline:
            raise Unavailable(f"Process {pid} did not stop its servers within {DOWN_LIMIT_S:.0f} s. Kill it.")
        time.sleep(POLL_S)
    typer.echo("Kafka and Redis are stopped.")


def _keep_up(data: Path | None, kafka_port: int | None, redis_port: int | None) -> None:
    """Return never; raise when a server ends by itself, and at Ctrl-C."""
    typer.echo("Starting Kafka and Redis ...", err=True)
    from slidr.servers import EmbeddedServers

    with EmbeddedServers(data, kafka_port, redis_port) as servers:
        running = _describe(servers, data)
        announce(running)
        _print(running)
        typer.echo("Ctrl-C stops them.")
        while True:
            for server in (servers.kafka, servers.redis):
                if not server.running:
                    raise server.failed("ended by itself")
            time.sleep(POLL_S)


def _describe(servers: "EmbeddedServers", data: Path | None) -> RunningServers:
    return RunningServers(
        servers.kafka.bootstrap_servers, servers.redis.url, _entity_key(data), str(data.resolve()) if data else None
    )


def _entity_key(data: Path | None) -> str:
    """Counters that are kept need the key that they were made with."""
    kept = data / "entity-key" if data else None
    if kept and kept.exists():
        return kept.read_text()
    key = secrets.token_hex(32)
    if kept:
        kept.touch(mode=0o600)
        kept.write_text(key)
    return key


def _print(running: RunningServers) -> None:
    typer.echo(f"Kafka  {running.kafka_bootstrap_servers}")
    typer.echo(f"Redis  {running.redis_url}")
    typer.echo(f"Data   {f'kept in {running.folder}' if running.folder else 'thrown away at the end'}")


def _detach(data: Path | None, kafka_port: int | None, redis_port: int | None) -> None:
    """Run this command again in the background, and wait for what it says."""
    from slidr.servers.jars import kafka_jars

    kafka_jars()  # here its progress is seen
    given = {"--data": data and data.resolve(), "--kafka-port": kafka_port, "--redis-port": redis_port}
    options = [part for name, value in given.items() if value is not None for part in (name, str(value))]
    state_dir().mkdir(parents=True, exist_ok=True)
    log = state_dir() / "servers.log"
    with log.open("wb") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "slidr", "servers", "up", *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    while (running := running_servers()) is None or keeper_pid() != keeper.pid:
        if keeper.poll() is not None:
            typer.echo(log.read_text().rstrip(), err=True)
            raise typer.Exit(keeper.returncode)
        time.sleep(POLL_S)
    _print(running)
    typer.echo("`slidr servers down` stops them.")
