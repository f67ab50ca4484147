"""What a candidate is made from, pinned in its folder before anything else is done, so that it can be gone on with.

The archive grows while a candidate is made: files and times are looked up once, and a second run takes them from here.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from calibrate.goals import Goals
from contracts.errors import Misconfigured, Refused
from contracts.files import written_whole
from model.inputs import Inputs
from model.labels import MATURITY_MS, known_of
from model.manifest import SLICES
from model.schedule import Schedule
from slidr.retrain.layout import PLAN, RELEASE
from slidr.retrain.parts import Parts, split


class Asked(Struct, frozen=True, kw_only=True):
    """What was asked for.

    `history` tells how files and times were named. Clicks younger than `maturity_ms` before the time up to which
    purchases are known teach nothing yet.
    `rules_sha256` and `onnx_sha256` stand for the release's rules and for a model trained elsewhere.
    `with_baselines`: what the network has to beat is trained and measured too.
    """

    history: dict[str, str]
    goals: Goals
    schedule: Schedule
    rules_sha256: str
    onnx_sha256: str | None = None
    maturity_ms: int = MATURITY_MS
    with_baselines: bool = False


class History(NamedTuple):
    """Files; clicks before `from_ms` are left alone, purchases are known up to `as_of_ms`: None, up to the latest."""

    inputs: Inputs
    from_ms: int | None = None
    as_of_ms: int | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """What was asked for, the files and times that were found for it, and the parts that the history is cut into."""

    asked: Asked
    inputs: Inputs
    as_of_ms: int
    parts: Parts


def pinned(folder: Path, asked: Asked, find: Callable[[], History]) -> Plan:
    """The plan of the folder, made of the history that `find` finds if there is none yet.

    `goals` may change until there is a release.

    Raises Refused for a folder with another plan, and for a history that is too short or has no purchase.
    """
    asked.goals.check(SLICES)
    if not (folder / PLAN).exists():
        return _pin(folder / PLAN, asked, find())
    plan = read_plan(folder)
    if msgspec.structs.replace(plan.asked, goals=asked.goals) == asked and not (folder / RELEASE).exists():
        return _with_goals(folder, plan, asked)
    if plan.asked != asked:
        before, now = msgspec.to_builtins(plan.asked), msgspec.to_builtins(asked)
        names = ", ".join(name for name in before if before[name] != now[name])
        raise Refused(f"{folder} was begun with other {names}. Ask for the same again to go on, or name a new folder.")
    return plan


def read_plan(folder: Path) -> Plan:
    """The plan of a candidate's folder. Raises Misconfigured for a folder without one."""
    path = folder / PLAN
    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except FileNotFoundError as error:
        raise Misconfigured(f"{folder} is no candidate: it has no {PLAN}. Name a folder of slidr retrain.") from error
    except (msgspec.DecodeError, OSError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}. Name a new folder.") from error


def _with_goals(folder: Path, plan: Plan, asked: Asked) -> Plan:
    """Keep what does not depend on goals: labels, network and scores."""
    if plan.asked != asked:
        for name in ("baselines", "calibration"):
            shutil.rmtree(folder / name, ignore_errors=True)
        plan = msgspec.structs.replace(plan, asked=asked)
        _write(folder / PLAN, plan)
    return plan


def _pin(path: Path, asked: Asked, history: History) -> Plan:
    history.inputs.verify()
    plan = _made(asked, history)
    _write(path, plan)
    return plan


def _write(path: Path, plan: Plan) -> None:
    with written_whole(path) as draft:
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n")


def _made(asked: Asked, history: History) -> Plan:
    known = known_of(history.inputs)
    if known.last_purchase_ms is None:
        raise Refused(
            "The purchases files hold no purchase, so no click would be labelled human. Name the files of the same "
            "time as the clicks."
        )
    as_of_ms = history.as_of_ms or known.last_purchase_ms + 1
    from_ms = max(known.first_click_ms, history.from_ms or 0)
    until_ms = min(known.last_click_ms + 1, as_of_ms - asked.maturity_ms)
    parts = split(from_ms, until_ms, asked.maturity_ms)
    return Plan(asked=asked, inputs=history.inputs, as_of_ms=as_of_ms, parts=parts)


def sha256(content: bytes) -> str:
    """What stands for a file in a plan."""
    return hashlib.sha256(content).hexdigest()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Make the folder and keep others out of it. Raises Refused if somebody is in it, Misconfigured if it can't be."""
    there = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise Misconfigured(f"{folder} cannot be written: {error.strerror}. Name another folder.") from error
    try:
        # Let go of by the system however its holder ends.
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise Refused(f"Somebody else is making the candidate {folder}. Wait for it, or name a new folder.") from error
    finally:
        os.close(place)
        if not there and not any(folder.iterdir()):
            folder.rmdir()
