"""The command line: quick help with examples, sentences with exit codes, servers that come and go as told."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer.main
from redis import Redis
from typer.core import TyperCommand, TyperGroup

from slidr.commands import app
from slidr.folders import state_dir
from slidr.running import keeper_pid, only_servers_of_this_user, running_servers
from slidr.servers.process import free_port
from tests.processes import run_slidr

WaitUntil = Callable[[Callable[[], object]], None]
SLIDR = [sys.executable, "-m", "slidr"]
# None of these is needed to print a help page; the first two never by a worker.
HEAVY = ("torch", "cvxpy", "faust", "onnxruntime", "pyarrow", "numpy", "confluent_kafka", "redis", "pydantic", "jgo")


@pytest.fixture(autouse=True)
def user_of_this_test(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No SLIDR_* but the cache, no servers that the user of this machine keeps up, and none left when a test fails."""
    for name in [name for name in os.environ if name.startswith("SLIDR_") and name != "SLIDR_CACHE_DIR"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield
    if keeper_pid():
        slidr("servers", "down")


def slidr(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command, run to its end; beside the state of its user."""
    return run_slidr(arguments, os.environ, Path(os.environ["XDG_STATE_HOME"]).parent)


def commands(group: TyperGroup, path: str = "slidr") -> Iterator[tuple[str, TyperCommand]]:
    """Every command with its full name."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{path} {name}")
        elif isinstance(command, TyperCommand):
            yield f"{path} {name}", command


def test_every_command_says_what_it_does_with_an_example() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)

    without = [name for name, command in commands(group) if not re.search(f"Example: .*{name}", command.help or "")]

    assert without == []


def test_help_loads_nothing_heavy() -> None:
    code = f"import sys, slidr.__main__; print([name for name in {HEAVY} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["servers", "status"], 3, "`slidr servers up` starts them"),
        (["topics", "create"], 2, "SLIDR_KAFKA_BOOTSTRAP_SERVERS: is not set"),
        (["topics", "create", "--partitions", "0"], 2, "--partitions"),
        (["no-such-command"], 2, "No such command"),
    ],
)
def test_what_cannot_be_done_is_one_message_and_an_exit_code(arguments: list[str], code: int, told: str) -> None:
    done = slidr(*arguments)

    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_second_servers_of_one_user_are_refused() -> None:
    with only_servers_of_this_user():
        done = slidr("servers", "up")

    assert done.returncode == 1
    assert "already up" in done.stderr


def test_doctor_tells_what_to_do_about_servers_that_are_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIDR_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    monkeypatch.setenv("SLIDR_KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("SLIDR_ENTITY_KEY", "0123456789abcdef")

    done = slidr("doctor", "--json")

    findings = {finding["what"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert done.returncode == 3
    assert {what for what, finding in findings.items() if finding["state"] == "unavailable"} == {"kafka", "redis"}
    assert "refused" in findings["kafka"]["seen"]
    assert "SLIDR_REDIS_URL" in findings["redis"]["remedy"]


def test_doctor_tells_settings_that_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIDR_STATE_TTL_HOURS", "1")

    done = slidr("doctor")

    assert done.returncode == 2
    assert "SLIDR_STATE_TTL_HOURS" in done.stdout


def test_a_new_user_gets_from_servers_to_a_healthy_deployment_and_down_again(wait_until: WaitUntil) -> None:
    with subprocess.Popen([*SLIDR, "servers", "up"]) as keeper:
        wait_until(lambda: keeper.poll() is not None or running_servers())

        first = slidr("topics", "create", "--partitions", "2", "--json")
        second = slidr("topics", "create", "--partitions", "2", "--json")
        doctor = slidr("doctor")
        down = slidr("servers", "down")

    assert (first.returncode, second.returncode, doctor.returncode, down.returncode) == (0, 0, 0, 0), doctor.stdout
    assert all(topic["made"] for topic in json.loads(first.stdout)["topics"])
    assert not any(topic["made"] for topic in json.loads(second.stdout)["topics"])
    assert "2 partition(s) of clicks" in doctor.stdout
    assert keeper.returncode == 0
    assert slidr("servers", "status").returncode == 3


def test_detached_servers_end_together_and_leave_data_and_log(tmp_path: Path, wait_until: WaitUntil) -> None:
    data = tmp_path / "data"
    up = slidr("servers", "up", "--detach", "--data", str(data))
    assert up.returncode == 0, up.stderr
    status = json.loads(slidr("servers", "status", "--json").stdout)

    with Redis.from_url(status["redis_url"]) as client:
        os.kill(int(client.info()["process_id"]), signal.SIGKILL)

    wait_until(lambda: keeper_pid() is None)
    log = state_dir() / "servers.log"
    wait_until(lambda: f"Its log is kept in {data}/redis/redis.log" in log.read_text())
    assert status["data"] == str(data)
    assert (data / "kafka" / "data" / "meta.properties").exists()
    assert oct((data / "entity-key").stat().st_mode).endswith("600")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell that runs something in the background lets it, and what it starts, ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_while_starting_leaves_nothing_behind() -> None:
    with subprocess.Popen([*SLIDR, "servers", "up"], stderr=subprocess.PIPE, text=True) as up:
        assert up.stderr is not None
        assert "Starting" in up.stderr.readline()
        up.send_signal(signal.SIGINT)

    assert up.returncode == 0
    assert slidr("servers", "status").returncode == 3
