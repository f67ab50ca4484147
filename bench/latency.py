"""Open-loop latency: clicks come when they come, and each is measured from when it was due.

    due ──► sender ──► clicks ──► poll returned ──► handed to delivery ──► decisions ──► consumer
     |      lateness               |----- in worker ------|                               |
     |-------------------------------- end to end ----------------------------------------|

The bare loop takes the worker's place first, at the same rate on the same machine; a timer runs beside both.
"""

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.progress import Progress

from bench.deployment import Deployment, MeasuredWorker
from bench.process import Child, raise_priority
from bench.progress import step
from bench.quantiles import Quantiles, quantiles
from bench.tail import tail
from bench.watch import Spent, Watch, spent
from contracts.topics import Topic
from streams.delivery import DELIVERY_CONFIG
from streams.metrics import Name

WARM_UP_S = 8.0
# The bare loop is a reference: it need not run as long as the worker.
BARE_MOST_S = 60.0
GRACE_S = 60.0
_DRAW_S_PER_CLICK = 60e-6


class Load(NamedTuple):
    """What is sent: so long, after the warm-up, at a rate, the sender's linger; the priority of worker and Redis."""

    clicks_per_s: float
    duration_s: float
    priority: str
    seed: int
    linger_ms: float
    warm_up_s: float = WARM_UP_S

    @property
    def clicks(self) -> int:
        """Clicks in all, warm-up included."""
        return int(self.clicks_per_s * (self.duration_s + self.warm_up_s))


class Arrivals(NamedTuple):
    """What the measuring processes found, warm-up excluded. `warm_s` is when the warm-up ended (monotonic)."""

    end_to_end: Quantiles
    from_send: Quantiles
    sender_late: Quantiles
    timer_late: Quantiles
    warm_s: float


def measure_latency(place: Deployment, load: Load, shown: Progress) -> dict[str, Any]:
    """Bare loop, for `BARE_MOST_S` at most, then worker."""
    bare = measure_bare(place, load._replace(duration_s=min(load.duration_s, BARE_MOST_S)), shown)
    worker = measure_worker(place, load, shown)
    return {
        "clicks_per_s": load.clicks_per_s,
        "duration_s": load.duration_s,
        "priority": load.priority,
        "seed": load.seed,
        "sender_linger_ms": load.linger_ms,
        "warm_up_s": load.warm_up_s,
        "kafka_long_running": place.long_running,
        "worker": worker,
        "bare_loop": bare,
    }


def measure_bare(place: Deployment, load: Load, shown: Progress) -> dict[str, Any]:
    """The loop that copies `clicks`, to a topic of as many partitions."""
    prefix = f"bare-{uuid.uuid4().hex[:8]}-"
    place.create_topics(prefix)
    source, target = prefix + Topic.CLICKS, prefix + Topic.DECISIONS
    firsts = ",".join("0" * place.partitions)
    arguments = [place.kafka["bootstrap.servers"], source, target, firsts, str(DELIVERY_CONFIG["linger.ms"])]
    with place.child("bench.bare_loop", arguments) as child:
        raise_priority(child.pid, load.priority)
        arrivals, used = measure_load(place, load, prefix, child, shown, f"bare loop at {load.clicks_per_s:,.0f}/s")
    return {**_told(arrivals), "cpu": used}


def measure_worker(
    place: Deployment,
    load: Load,
    shown: Progress,
    *,
    release: str | None = None,
    collections: bool = True,
    raised: Sequence[str] = (),
) -> dict[str, Any]:
    """The shipped worker; or with another release, without garbage collections, with some processes at nice -10."""
    prefix = f"worker-{uuid.uuid4().hex[:8]}-"
    place.create_topics(prefix)
    with place.worker(prefix, release, collections) as worker:
        worker.wait_ready()
        for name, pid in (("worker", worker.pid), ("redis", place.servers.redis.pid)):
            raise_priority(pid, "nice" if name in raised else load.priority)
        arrivals, used = measure_load(place, load, prefix, worker, shown, f"worker at {load.clicks_per_s:,.0f}/s")
        takes, chunks, records = map(worker.metric, (Name.TAKES, f"{Name.CHUNK_RECORDS}_count", Name.CLICKS))
        worker.stop()
    return {
        "in_worker": _kept(worker, Name.IN_WORKER, arrivals.warm_s),
        "feature_store": _kept(worker, Name.STORE, arrivals.warm_s),
        "tail": _tail(worker, arrivals.warm_s),
        **_told(arrivals),
        "records_per_take": round(records / max(takes, 1.0), 1),
        "records_per_chunk": round(records / max(chunks, 1.0), 1),
        "cpu": used,
    }


def _kept(worker: MeasuredWorker, name: Name, warm_s: float) -> Quantiles:
    seen = np.load(worker.latencies)[name.value]
    seen = seen[seen[:, 0] > warm_s]
    return quantiles(seen[:, 1], seen[:, 2])


def _tail(worker: MeasuredWorker, warm_s: float) -> dict[str, Any]:
    rows = np.load(worker.latencies)["tail"]
    return tail(rows[rows[:, 1] > warm_s])._asdict()


def _told(arrivals: Arrivals) -> dict[str, Any]:
    return {name: value for name, value in arrivals._asdict().items() if name != "warm_s"}


def measure_load(
    place: Deployment, load: Load, prefix: str, child: Child, shown: Progress, what: str
) -> tuple[Arrivals, Spent]:
    """Send, receive, and watch the CPU from the end of the warm-up until just before the last send."""
    folder = place.folder / prefix
    folder.mkdir()
    sent = Watch(place.kafka, prefix + Topic.CLICKS, place.partitions)
    decided = Watch(place.kafka, prefix + Topic.DECISIONS, place.partitions)
    seconds = load.duration_s + load.warm_up_s + 2 + _DRAW_S_PER_CLICK * load.clicks
    try:
        with _tools(place, load, prefix, folder) as tools, step(shown, what, seconds) as turn:
            clocks = {"process": child.cpu_s, **place.server_clocks(), "bench": time.process_time}
            # A tool may be done when it is asked: on a machine with too much to do, this process is late.
            clocks |= {name: tool.cpu_s for name, tool in tools.items()}
            marks = []
            for clicks in (load.clicks_per_s * load.warm_up_s, load.clicks - 0.5 * load.clicks_per_s):
                while sum(sent.ends()) < clicks:
                    child.check()
                    tools["sender"].check(may_be_done=True)
                    turn()
                marks.append(decided.mark(clocks, child))
            tools["sender"].wait(GRACE_S, turn)
            tools["receiver"].wait(GRACE_S, turn)
        return arrivals_of(folder, load.warm_up_s), spent(*marks)
    finally:
        sent.close()
        decided.close()


@contextmanager
def _tools(place: Deployment, load: Load, prefix: str, folder: Path) -> Iterator[dict[str, Child]]:
    """The processes that measure: sender, receiver and timer."""
    server = place.kafka["bootstrap.servers"]
    send = [server, prefix + Topic.CLICKS, place.partitions, load.clicks, load.clicks_per_s, load.seed, load.linger_ms]
    receive = [server, prefix + Topic.DECISIONS, ",".join("0" * place.partitions), load.clicks]
    with ExitStack() as stack:

        def start(module: str, arguments: list[Any], out: str) -> Child:
            return stack.enter_context(place.child(module, [*map(str, arguments), str(folder / out)]))

        timer = start("bench.timer", [], "timer.npy")
        raise_priority(timer.pid, load.priority)
        receiver = start("bench.receiver", receive, "received.npz")
        yield {"sender": start("bench.sender", send, "sent.npz"), "receiver": receiver, "timer": timer}


def arrivals_of(folder: Path, warm_up_s: float) -> Arrivals:
    """Match arrivals to sends by partition and number."""
    sent, received = np.load(folder / "sent.npz"), np.load(folder / "received.npz")
    arrived_s = arrival_of_each(sent["partition"], received["partition"], received["number"], received["arrived_s"])
    due_s, sent_s = sent["due_s"], sent["sent_s"]
    warm_s = float(due_s[0]) + warm_up_s
    measured = due_s > warm_s
    return Arrivals(
        quantiles((arrived_s - due_s)[measured]),
        quantiles((arrived_s - sent_s)[measured]),
        quantiles((sent_s - due_s)[measured]),
        quantiles(np.load(folder / "timer.npy")),
        warm_s,
    )


def arrival_of_each(
    sent_to: np.ndarray[Any, Any],
    partition: np.ndarray[Any, Any],
    number: np.ndarray[Any, Any],
    arrived_s: np.ndarray[Any, Any],
) -> np.ndarray[Any, Any]:
    """Arrival of each record sent, in the order of sending; the first arrival where there are duplicates. Pure.

    Record `number` of a partition answers the `number`-th one sent there.
    """
    out = np.full(len(sent_to), np.nan)
    for p in np.unique(sent_to):
        places = np.flatnonzero(sent_to == p)
        came = partition == p
        # Written from the last to the first, so that the first stands.
        out[places[number[came][::-1]]] = arrived_s[came][::-1]
    if np.isnan(out).any():
        raise ValueError(f"{int(np.isnan(out).sum())} of {len(out)} records were not received.")
    return out
