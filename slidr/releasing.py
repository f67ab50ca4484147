"""Switching releases: what is checked before an event is written, and waiting until every live worker has acted."""

import getpass
import socket
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from contracts.errors import Misconfigured, Refused, Unavailable
from contracts.events import ReleaseAction, ReleaseEvent
from model.release import PASS_THROUGH
from streams.judge import Judge
from streams.release_admin import ReleaseLog
from streams.release_log import Entry, InForce, fold, in_force, last_stable, stable_releases
from streams.worker_watch import Acted, WorkerWatch, acted_upon

_READ_S = 0.2


class Written(NamedTuple):
    """An event that stands in the log, and the state that it found and left."""

    offset: int
    event: ReleaseEvent
    before: InForce
    after: InForce


class Releasing:
    """The ways to switch. `load(version)` loads a release here as a worker would.

    Every one raises what loading raises, Refused for what is not allowed or was overtaken by another event, and
    Unavailable when Kafka does not answer.
    """

    def __init__(self, log: ReleaseLog, default: str, load: Callable[[str], Judge], by: str, now_ms: int) -> None:
        self._log = log
        self._default = default
        self._load = load
        self._by = by
        self._now_ms = now_ms

    def promote(self, version: str, reason: str) -> Written:
        """Let a release decide. It must load here, and no guardrail may have blocked it unless that was overridden."""
        state = in_force(self._log.history(), self._default)
        refuse_blocked(self._load(version))
        return self._write("promote", version, reason, state)

    def rollback(self, version: str | None, reason: str) -> Written:
        """Let a release decide again, the last stable one unless another is named. It must load here.

        The shadow may be gone back to while the model store does not answer: workers have it in memory.
        """
        history = self._log.history()
        state = in_force(history, self._default)
        version = version or last_stable(history)
        if version == state.active:
            raise Refused(f"{version} is active already: there is nothing to roll back to. See `slidr releases`.")
        if version not in {PASS_THROUGH, *_once_active(history)}:
            raise Refused(
                f"{version} was never active, and a rollback goes to a release that was. Put it to work with "
                f"`slidr promote {version}`, or see `slidr releases` for where to go back to."
            )
        self._load_for_rollback(version, history, state.shadow)
        return self._write("rollback", version, reason, state)

    def shadow(self, version: str, reason: str) -> Written:
        """Have a release scored beside the active one; the empty string ends it. It must load here."""
        state = in_force(self._log.history(), self._default)
        if version in (PASS_THROUGH, state.active):
            raise Refused(f"{version} cannot be a shadow of {state.active}: there would be nothing to compare.")
        if not version and not state.shadow:
            raise Refused("No shadow is set: there is nothing to turn off.")
        if version:
            self._load(version)
        return self._write("shadow", version, reason, state)

    def _load_for_rollback(self, version: str, history: Sequence[Entry], in_memory: str | None) -> None:
        try:
            self._load(version)
        except Unavailable:
            if version != in_memory:
                raise
        except Misconfigured as error:
            others = [other for other in stable_releases(history) if other not in (version, PASS_THROUGH)]
            named = f"Go back to another one that was stable, {' or '.join(others)}" if others else "Mend it"
            raise Refused(
                f"{version} cannot be loaded, so that nothing would change: {error} {named}, or let rules alone "
                f"decide: `slidr rollback {PASS_THROUGH}`."
            ) from error

    def _write(self, action: ReleaseAction, version: str, reason: str, state: InForce) -> Written:
        event = ReleaseEvent(action, version, state.offset, self._now_ms, self._by, reason)
        offset = self._log.append(event)
        return Written(offset, event, state, fold([(offset, event)], state)[0].after)


def refuse_blocked(judge: Judge) -> None:
    """Raises Refused, with what each guardrail said, for a release that was blocked and not published all the same."""
    manifest = judge.release.manifest
    blocked = [verdict for verdict in manifest.verdicts if verdict.outcome == "blocked"] if manifest else []
    if manifest and blocked and not manifest.override:
        said = "".join(
            f"\n  - {verdict.guardrail}: {verdict.sentence} {verdict.remedy}".rstrip() for verdict in blocked
        )
        raise Refused(
            f"{judge.version} was blocked by {len(blocked)} guardrail(s); nothing was changed.{said}\n"
            "Mend it and publish it anew, or publish it with --override and a reason."
        )


def wait_until_acted(
    watch: WorkerWatch, written: Written, timeout_s: float, told: Callable[[Acted], None] = lambda acted: None
) -> Acted:
    """What the live workers did about an event when all had acted upon it, or after `timeout_s`. Tells on the way."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        watch.read(_READ_S, _now_ms())
        acted = acted_upon(watch.live(_now_ms()), written.offset, written.event)
        told(acted)
        if not acted.waiting or time.monotonic() > deadline_s:
            return acted


def whoever_this_is() -> str:
    """Who is at work here: user and machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _once_active(history: Sequence[Entry]) -> set[str]:
    return {state.active for entry in history for state in (entry.before, entry.after)}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
