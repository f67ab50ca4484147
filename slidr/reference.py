"""Writes `docs/reference.md`: tables of features and metrics, made from the code that defines them (`make docs`)."""

from collections.abc import Iterable
from pathlib import Path

from contracts.features import FEATURES
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
            "`/metrics` of a worker.",
            "",
            *_table(
                ("name", "labels", "what"),
                ((f"`{name.value}`", ", ".join(labels), text) for name, (text, labels) in METRICS.items()),
            ),
            "",
            "`/metrics` of the sentinel.",
            "",
            *_table(
                ("name", "labels", "what"),
                ((f"`{name.value}`", ", ".join(labels), text) for name, (text, labels) in SENTINEL_METRICS.items()),
            ),
            "",
        ]
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [head, ("---",) * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


if __name__ == "__main__":
    DOCUMENT.write_text(reference())
