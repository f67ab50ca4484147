"""Writes `docs/reference.md`: tables of features and metrics, made from the code that defines them (`make docs`)."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from contracts.features import FEATURES
from replay.metrics import METRICS as REPLAY_METRICS
from streams.metrics import METRICS
from streams.sentinel_metrics import METRICS as SENTINEL_METRICS

DOCUMENT = Path(__file__).parents[1] / "docs" / "reference.md"


def reference() -> str:
    """The whole document."""
    return "\n".join(
        [
            "# Reference",
            "",
            "Made from the code by `make docs`; a test compares the two.",
            "",
            "## Features",
            "",
            "Order of the feature log's vector. A release lists the ids that it uses, so rows are only ever added.",
            "",
            *_table(
                ("id", "entity", "unit", "window"),
                (
                    (f"`{row.id}`", row.entity, row.unit, " / ".join(filter(None, (row.window, row.base))))
                    for row in FEATURES
                ),
            ),
            "",
            "## Metrics",
            "",
            *_metrics("a worker", METRICS),
            *_metrics("the sentinel", SENTINEL_METRICS),
            *_metrics("a replay agent", REPLAY_METRICS),
        ]
    )


def _metrics(whose: str, metrics: Mapping[Any, tuple[str, tuple[str, ...]]]) -> list[str]:
    rows = ((f"`{name.value}`", ", ".join(labels), text) for name, (text, labels) in metrics.items())
    return [f"`/metrics` of {whose}.", "", *_table(("name", "labels", "what"), rows), ""]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [head, ("---",) * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


if __name__ == "__main__":
    DOCUMENT.write_text(reference())
