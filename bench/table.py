"""Results as tables in Markdown: on the screen, and between the markers of `docs/benchmarks.md`."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.results import Result
from bench.tail import SEGMENTS
from bench.usual_ways import WAYS

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
# Those of a stage table that are not spent in the worker's process.
NOT_IN_WORKER = ("Redis",)
_Figures = Mapping[str, Any]


def render(found: Result) -> str:
    """One result: its tables, and where they are from."""
    where = found.machine
    lines = [
        f"### {found.benchmark}",
        "",
        f"`{found.command}`, {found.at[:10]}, commit {found.commit}; {where['cores']} cores of {where['cpu']}, "
        f"Linux {where['kernel']}.",
        "",
        *_RENDERERS[found.benchmark](found.figures),
    ]
    return "\n".join(lines) + "\n"


def replaced(document: str, tables: Iterable[str]) -> str:
    """The document with the tables between its markers."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n" + "\n".join(tables) + f"\n{END}{after}"


def write_document(results: Mapping[str, Result]) -> None:
    """Put all results into the document."""
    tables = [render(results[name]) for name in _RENDERERS if name in results]
    DOCUMENT.write_text(replaced(DOCUMENT.read_text(), tables))


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    columns = list(head)
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return ["| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines] + [""]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _milliseconds(q: _Figures) -> str:
    return " / ".join(f"{q[key]:.2f}" for key in ("p50_ms", "p99_ms", "p999_ms", "max_ms"))


def _backlog(figures: _Figures) -> list[str]:
    rows = []
    ways = [(way.key, way.name) for way in WAYS if way.key in figures]
    for key, name in (("bare_loop", "bare loop"), ("worker", "worker"), *ways):
        spent = figures[key]
        each = (spent["cpu_us"].get(process, 0.0) for process in ("process", "redis", "kafka"))
        rows.append((name, spent["records"], spent["per_s"], *each, f"{spent['others_ratio']:.0%}"))
    head = ("", "clicks", "clicks/s", "CPU µs/click: itself", "Redis", "Kafka", "machine used by others")
    ratios = [f"{figures['worker_to_bare_loop']:.2f} × the bare loop"]
    for key, name in ways:
        by_cpu = sum(figures[key]["cpu_us"].values()) / sum(figures["worker"]["cpu_us"].values())
        ratios.append(f"{figures[f'worker_to_{key}']:.0f} × {name} ({by_cpu:.0f} × by CPU of all three)")
    return [*_table(head, rows), f"Worker: {', '.join(ratios)}.", ""]


def _replay(figures: _Figures) -> list[str]:
    rows = []
    for key, name in (("worker", "worker"), ("replay", "replay, rescoring")):
        spent = figures[key]
        each = (spent["cpu_us"].get(process, 0.0) for process in ("process", "redis", "kafka"))
        rows.append((name, spent["records"], spent["per_s"], *each, f"{spent['others_ratio']:.0%}"))
    head = ("", "clicks", "clicks/s", "CPU µs/click: itself", "Redis", "Kafka", "machine used by others")
    by_cpu = figures["worker"]["cpu_us"]["process"] / figures["replay"]["cpu_us"]["process"]
    said = (
        f"Replay: {figures['replay_to_worker']:.1f} × the worker's rate ({by_cpu:.0f} × by the CPU of the processes). "
        f"Of {figures['clicks']:,} decisions {figures['differing']:,} differ from the worker's."
    )
    lines = [*_table(head, rows), said, ""]
    if "alone" in figures:
        kinds = (("alone", "no replay runs"), ("beside_a_replay", "one runs, at the default limit"))
        seen = [(what, _milliseconds(figures[key][of])) for of in ("in_worker", "timer_late") for key, what in kinds]
        names = ("in the worker", "in the worker", "a bare timer's lateness", "a bare timer's lateness")
        rows_of = [(f"{name}, {what}", value) for name, (what, value) in zip(names, seen, strict=True)]
        lines += [f"Live clicks meanwhile, priority {figures['priority']}:", ""]
        lines += _table(("", "ms, p50 / p99 / p99.9 / max"), rows_of)
    return lines


def _recompute(figures: _Figures) -> list[str]:
    worker, runs, sent_per_s = figures["worker"], figures["runs"], figures["sent_per_s"]
    name = f"worker, clicks sent at {sent_per_s:,.0f}/s" if sent_per_s else "worker, on a backlog"
    rows: list[tuple[object, ...]] = [
        (name, worker["per_s"], sum(worker["cpu_us"].get(name, 0.0) for name in ("process", "redis")))
    ]
    rows += [(f"recomputation {number}", run["per_s"], run["cpu_us"]) for number, run in enumerate(runs, 1)]
    agreed, clicks = runs[0]["agreement"], figures["clicks"]
    flips = agreed["verdicts_explained"] + agreed["verdicts_unexplained"]
    alike = sorted((equal, name) for name, equal in agreed["features"].items())
    return [
        *_table(("", "clicks/s", "CPU µs/click, Redis included"), rows),
        f"Of {clicks:,} decisions {figures['differing']:,} differ between the two. Against the worker's: "
        f"{1 - flips / clicks:.4%} of verdicts are the same; of {flips:,} others {agreed['verdicts_unexplained']:,} "
        f"are not explained by the order of clicks on shared addresses. {agreed['equal'] / clicks:.2%} of clicks have "
        f"every feature bit for bit; {agreed['unexplained']:,} of the others are not explained.",
        "",
        *_table(("feature that differs most", "equal"), [(name, f"{n / clicks:.2%}") for n, name in alike[:5]]),
    ]


def _latency(figures: _Figures) -> list[str]:
    lines = []
    for run in figures["runs"]:
        worker, bare = run["worker"], run["bare_loop"]
        rows = [
            ("in the worker", _milliseconds(worker["in_worker"]), ""),
            ("of it, feature store", _milliseconds(worker["feature_store"]), ""),
            ("end to end, from due", _milliseconds(worker["end_to_end"]), _milliseconds(bare["end_to_end"])),
            ("end to end, from sent", _milliseconds(worker["from_send"]), _milliseconds(bare["from_send"])),
            ("the sender's lateness", _milliseconds(worker["sender_late"]), _milliseconds(bare["sender_late"])),
            ("a bare timer's lateness", _milliseconds(worker["timer_late"]), _milliseconds(bare["timer_late"])),
        ]
        rows += [
            (f"{what} of the machine", f"{worker['cpu'][key]:.0%}", f"{bare['cpu'][key]:.0%}")
            for what, key in (("used", "busy_ratio"), ("used by others", "others_ratio"), ("stolen", "stolen_ratio"))
        ]
        rows.append(("records a take, a chunk", f"{worker['records_per_take']}, {worker['records_per_chunk']}", ""))
        rows += _segments(worker.get("tail"))
        lines += [
            f"{run['clicks_per_s']:,.0f} clicks/s, {worker['end_to_end']['n']:,} clicks, priority {run['priority']}; "
            "ms, p50 / p99 / p99.9 / max:",
            "",
            *_table(("", "worker", "bare loop"), rows),
        ]
    return lines


def _segments(tail: _Figures | None) -> list[tuple[str, str, str]]:
    """Where clicks spend their time, means in ms; results from before it was recorded have none."""
    if tail is None:
        return []
    return [
        (f"{whose}: {', '.join(SEGMENTS)}", " / ".join(f"{tail[key][segment]:.2f}" for segment in SEGMENTS), "")
        for whose, key in (("slowest 0.1 %", "slowest_ms"), ("all", "all_ms"))
    ]


def _causes(figures: _Figures) -> list[str]:
    rows = []
    for name, turns in figures["causes"].items():
        middle = sorted(turns, key=lambda turn: turn["in_worker"]["p999_ms"])[len(turns) // 2]
        each = ", ".join(f"{turn['in_worker']['p999_ms']:.1f}" for turn in turns)
        slowest = middle["tail"]["slowest_ms"]
        segments = " / ".join(f"{slowest[segment]:.1f}" for segment in SEGMENTS)
        rows.append(
            (name, _milliseconds(middle["in_worker"]), each, segments, f"{middle['timer_late']['p999_ms']:.1f}")
        )
    head = ("", "in the worker", "p99.9 of each round", "slowest: waiting / asking / store / deciding", "timer's p99.9")
    return [
        f"{figures['clicks_per_s']:,.0f} clicks/s, {figures['duration_s']:.0f} s a turn, the round in the middle; ms, "
        "p50 / p99 / p99.9 / max:",
        "",
        *_table(head, rows),
    ]


def _swaps(figures: _Figures) -> list[str]:
    lines = []
    for run in figures["runs"]:
        acted = [f"{swap['action']} {swap['acted_s']:.2f}" for swap in run["swaps"]]
        rows = [
            (what, f"{run[key]['n']:,}", _milliseconds(run[key]))
            for what, key in (
                ("in the worker, all clicks", "in_worker"),
                ("those from an event until a second after the last swap", "around_swaps"),
                ("a bare timer's lateness", "timer_late"),
            )
        ]
        lines += [
            f"{run['clicks_per_s']:,.0f} clicks/s, two workers, priority {run['priority']}; {len(acted)} events, "
            f"each with the seconds from before it was written until the last worker had acted: {', '.join(acted)}.",
            "",
            *_table(("", "n", "ms, p50 / p99 / p99.9 / max"), rows),
        ]
    return lines


def _stages(figures: _Figures) -> list[str]:
    stages, worker = figures["stages_us"], figures["worker"]
    own = sum(us for name, us in stages.items() if name not in NOT_IN_WORKER)
    total = worker["cpu_us"]["process"]
    rows: list[tuple[str, float]] = list(stages.items())
    rows += [
        ("sum of the worker's stages", round(own, 1)),
        ("the rest: event loop, Faust, hand-overs, colder caches", round(total - own, 1)),
        ("**worker process, measured**", total),
    ]
    rows += [(f"its thread `{name}`", us) for name, us in worker["threads_us"].items()]
    rows += [(f"**{name.capitalize()}, measured**", worker["cpu_us"].get(name, 0.0)) for name in ("redis", "kafka")]
    return _table(("stage", "CPU µs/click"), rows)


def _store(figures: list[_Figures]) -> list[str]:
    keys = ("call_clicks", "clicks_per_s", "redis_us", "client_us")
    head = ("clicks a call", "clicks/s", "Redis, CPU µs/click", "client, CPU µs/click")
    return _table(head, ([row[key] for key in keys] for row in figures))


def _scorer(figures: list[_Figures]) -> list[str]:
    rows = (
        (row["rows"], row["provider"], row["rows_per_s"], row["cpu_us"], *(1_000 * row["run"][q] for q in _US))
        for row in figures
    )
    head = ("rows a run", "provider", "rows/s", "CPU µs/run", "p50 µs", "p99 µs", "p99.9 µs")
    return _table(head, rows)


_US = ("p50_ms", "p99_ms", "p999_ms")
_RENDERERS: dict[str, Callable[[Any], list[str]]] = {
    "latency-long": _latency,
    "latency": _latency,
    "causes": _causes,
    "swaps": _swaps,
    "backlog": _backlog,
    "replay": _replay,
    "recompute": _recompute,
    "stages": _stages,
    "store": _store,
    "scorer": _scorer,
}
