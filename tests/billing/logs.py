"""Logs as crashes leave them, for property tests, and the oracle that sees such a log as a whole."""

import random
from collections.abc import Sequence

from hypothesis import strategies as st

from contracts.events import LIVE, Decision, Verdict
from tests.builders import decision

Log = list[Decision]


def record(
    offset: int, click_id: str | None = None, *, partition: int = 0, revision: int = 0, verdict: Verdict = "valid"
) -> Decision:
    """The live decision (revision 0) or a replay's correction of the click at this place."""
    return decision(
        click_id=click_id or f"{partition}-{offset}",
        source_partition=partition,
        source_offset=offset,
        revision=revision,
        run=f"replay-{revision}" if revision else LIVE,
        verdict=verdict,
    )


@st.composite
def partition_logs(draw: st.DrawFn) -> list[Log]:
    """Live records in order, corrections behind them, stale repetitions anywhere later; click_ids repeat."""
    return [draw(_partition_log(partition)) for partition in range(draw(st.integers(1, 3)))]


@st.composite
def _partition_log(draw: st.DrawFn, partition: int) -> Log:
    ids = draw(st.lists(st.sampled_from("abcdef"), max_size=12))
    verdicts: st.SearchStrategy[Verdict] = st.sampled_from(["valid", "invalid"])
    log = [record(offset, i, partition=partition, verdict=draw(verdicts)) for offset, i in enumerate(ids)]
    for revision in draw(st.lists(st.integers(1, 4), max_size=2, unique=True)):
        corrected = sorted(draw(st.sets(st.integers(0, len(ids) - 1)))) if ids else []
        run = [record(o, ids[o], partition=partition, revision=revision, verdict=draw(verdicts)) for o in corrected]
        log = _merged(draw, log, run)
    for _ in range(draw(st.integers(0, 3))):
        log = _with_zombie(draw, log)
    return log


def _merged(draw: st.DrawFn, log: Log, run: Log) -> Log:
    at = 0
    for late in run:
        at = draw(st.integers(at, len(log)))
        log = [*log[:at], late, *log[at:]]
        at += 1
    return log


def _with_zombie(draw: st.DrawFn, log: Log) -> Log:
    """A paused writer wakes up: some records of one run once more, in order, perhaps with another verdict."""
    if not log:
        return log
    first, woken = draw(st.integers(0, len(log) - 1)), draw(st.integers(0, len(log)))
    verdict: Verdict = draw(st.sampled_from(["valid", "invalid"]))
    again = [
        record(r.source_offset, r.click_id, partition=r.source_partition, revision=r.revision, verdict=verdict)
        for r in log[first:woken]
        if r.run == log[first].run
    ]
    return [*log[:woken], *again[: draw(st.integers(1, 4))], *log[woken:]]


def oracle(logs: Sequence[Sequence[Decision]]) -> dict[str, Decision]:
    """The first record of each (partition, run, offset); of each click_id the first place, there the newest."""
    written: dict[tuple[int, str, int], Decision] = {}
    for partition, log in enumerate(logs):
        for found in log:
            written.setdefault((partition, found.run, found.source_offset), found)
    effective: dict[str, Decision] = {}
    for click_id in {found.click_id for found in written.values()}:
        records = [found for found in written.values() if found.click_id == click_id]
        place = min((found.source_partition, found.source_offset) for found in records)
        there = [found for found in records if (found.source_partition, found.source_offset) == place]
        effective[click_id] = max(there, key=lambda found: found.revision)
    return effective


def interleaved(logs: Sequence[Sequence[Decision]], seed: int) -> list[Decision]:
    """One of the orders in which a reader may see the partitions."""
    turns = [partition for partition, log in enumerate(logs) for _ in log]
    random.Random(seed).shuffle(turns)
    iterators = [iter(log) for log in logs]
    return [next(iterators[partition]) for partition in turns]
