"""Releases and their switches in plain words. Pure."""

from collections.abc import Iterator, Sequence

from contracts.errors import Misconfigured, SlidrError, Unavailable
from contracts.events import ReleaseEvent, WorkerStatus
from slidr.release_overview import Overview
from slidr.releasing import Written
from slidr.times import show_time
from streams.release_log import Entry, InForce
from streams.worker_watch import Acted


def state_words(state: InForce) -> str:
    """`b decides, a is its shadow`"""
    return f"{state.active} decides, " + (f"{state.shadow} is its shadow" if state.shadow else "without a shadow")


def written_words(written: Written) -> str:
    """What an event changed, said before workers are waited for."""
    before, after = written.before, written.after
    switch = f"from {before.active} to {after.active}" if before.active != after.active else state_words(after)
    shadow = f"; {after.shadow} is its shadow" if before.active != after.active and after.shadow else ""
    return f"Event {written.offset} stands: {written.event.action} {switch}{shadow}."


def worker_words(status: WorkerStatus) -> str:
    """One line on a worker."""
    since = ", ".join(f"clicks[{part.partition}] from {part.release_from_offset}" for part in status.partitions)
    scores = f", scores {status.shadow} beside it" if status.shadow else ""
    problems = "".join(f"\n    {problem}" for problem in status.problems)
    return f"{status.worker_id} decides with {status.release}{scores} ({since or 'no partition'}){problems}"


def entry_words(entry: Entry) -> Iterator[str]:
    """One event of the history, in two lines: what happened, then who and why."""
    event = entry.event
    if not entry.effective:
        yield f"{entry.offset:>5}  void      {_asked(event)}: event {entry.before.offset} was in force already"
    elif event.action == "shadow":
        yield f"{entry.offset:>5}  shadow    {entry.before.shadow or 'none'} → {entry.after.shadow or 'none'}"
    else:
        shadow = f", shadow {entry.after.shadow}" if entry.after.shadow else ""
        yield f"{entry.offset:>5}  {event.action:<9} {entry.before.active} → {entry.after.active}{shadow}"
    yield f"       {show_time(event.at_ms)}  {event.by}: {event.reason or 'no reason given'}"


def overview_words(found: Overview) -> Iterator[str]:
    """The whole page: what is in force, the workers, the model store, and the history with the newest event last."""
    state = found.in_force
    yield f"{state_words(state)}; the last stable release is {found.last_stable}."
    yield f"\nWorkers: {len(found.workers) or 'none'} running"
    for status in found.workers:
        yield f"  {worker_words(status)}"
    if found.versions is not None:
        yield f"\nIn the model store: {len(found.versions)}, and pass-through"
        roles = {found.last_stable: "last stable", state.shadow: "shadow", state.active: "active"}
        for version in found.versions:
            yield f"  {version}  {roles.get(version, '')}".rstrip()
    yield f"\nHistory: {len(found.history) or 'no'} event(s)"
    for entry in found.history:
        yield from entry_words(entry)


def shortfall(acted: Acted, written: Written, timeout_s: float) -> SlidrError | None:
    """What to raise about workers that did not do what the event asks for; None if all did."""
    live = sum(map(len, acted))
    if acted.failed:
        return Misconfigured(
            f"Event {written.offset} stands, and {len(acted.failed)} of {live} live worker(s) could not load its "
            f"release.{_listed(acted.failed)}\nGo back with `slidr rollback`; or mend what the sentences say, and "
            "give the same command again: they try once more."
        )
    if acted.waiting:
        return Unavailable(
            f"Event {written.offset} stands, and {len(acted.waiting)} of {live} live worker(s) have not acted upon it "
            f"after {timeout_s:g} s.{_listed(acted.waiting)}\nThey will as soon as they can: look again with "
            "`slidr releases`, or take it back with `slidr rollback`."
        )
    return None


def _listed(workers: Sequence[WorkerStatus]) -> str:
    return "".join(f"\n  - {worker_words(status)}" for status in workers)


def _asked(event: ReleaseEvent) -> str:
    return f"{event.action} {event.version or 'off'}"
