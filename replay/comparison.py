"""What a release changes, counted: verdicts old against new, and flips with their money, by what one may ask for. Pure.

Credited is what billing gives back for clicks that become invalid, charged what it asks for those that become valid.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from contracts.events import Verdict
from replay.rescoring import Rescored, reasons
from replay.rows import Rows

DIMENSIONS: Final = ("slice", "advertiser_id", "campaign_id", "hour")
EXAMPLES: Final = 10
_HOUR_MS: Final = 3_600_000
_MINUTES: Final = len("2024-06-01 12:00")
_VERDICTS: Final[tuple[Verdict, Verdict]] = ("valid", "invalid")
_SUMS: Final = ("clicks", "invalidated", "restored", "credited_micros", "charged_micros")


class Line(Struct, frozen=True):
    """Clicks of one value of a dimension and one currency, how many flip each way, and the money that moves."""

    value: str
    currency: str
    clicks: int
    invalidated: int
    restored: int
    credited_micros: int
    charged_micros: int

    @property
    def flips(self) -> int:
        """Both ways."""
        return self.invalidated + self.restored


class Example(Struct, frozen=True):
    """A click that flips. `was` is the verdict in force; `logged_reason` and `logged_score` are the worker's."""

    click_id: str
    advertiser_id: str
    slice: str
    cost_micros: int
    currency: str
    logged_reason: str
    logged_score: float
    was: Verdict
    becomes: Verdict
    reason: str
    score: float
    threshold: float


class Compared(Struct, frozen=True):
    """`confusion` has clicks by "old to new"; `lines` by dimension, those with most flips first, hours in order."""

    clicks: int
    confusion: dict[str, int]
    lines: dict[str, list[Line]]
    examples: list[Example]


class Comparison:
    """Takes in rows with their old and new verdicts."""

    def __init__(self) -> None:
        self._confusion = Counter[str]({f"{old} to {new}": 0 for old in _VERDICTS for new in _VERDICTS})
        self._groups: dict[str, list[Any]] = {name: [] for name in DIMENSIONS}
        self._examples: dict[bool, list[Example]] = {True: [], False: []}

    def add(self, rows: Rows, rescored: Rescored, was: npt.NDArray[np.bool_]) -> None:
        """n rows, what the release says of them, and whether the verdict in force was invalid (n,)."""
        if not len(rows.columns):
            return
        counts = np.bincount(2 * was + rescored.invalid, minlength=4).tolist()
        self._confusion.update({f"{_VERDICTS[i // 2]} to {_VERDICTS[i % 2]}": n for i, n in enumerate(counts)})
        table = _measured(rows, rescored.invalid & ~was, ~rescored.invalid & was)
        for name in DIMENSIONS:
            self._groups[name].append(_grouped(table, name))
        for becomes_invalid, found in self._examples.items():
            flips = np.flatnonzero((rescored.invalid == becomes_invalid) & (was != becomes_invalid))
            wanted = np.zeros(len(was), np.bool_)
            wanted[flips[: EXAMPLES - len(found)]] = True
            if wanted.any():
                found += _examples(rows.where(wanted), rescored.where(wanted), was[wanted])

    def result(self) -> Compared:
        """All that was taken in."""
        lines = {name: list(_lines(name, parts)) for name, parts in self._groups.items()}
        examples = self._examples[True] + self._examples[False]
        return Compared(self._confusion.total(), dict(self._confusion), lines, examples)


def _measured(rows: Rows, invalidated: npt.NDArray[np.bool_], restored: npt.NDArray[np.bool_]) -> Any:
    columns, costs = rows.columns, rows.columns["cost_micros"].to_numpy()
    hours = columns["decided_at_ms"].to_numpy() // _HOUR_MS * _HOUR_MS
    return pa.table(
        {
            "slice": columns["slice"],
            "advertiser_id": columns["advertiser_id"],
            "campaign_id": columns["campaign_id"],
            "hour": pc.utf8_slice_codeunits(pc.cast(pa.array(hours, pa.timestamp("ms")), pa.string()), 0, _MINUTES),
            "currency": columns["currency"],
            "clicks": np.ones(len(costs), np.int64),
            "invalidated": invalidated.astype(np.int64),
            "restored": restored.astype(np.int64),
            "credited_micros": costs * invalidated,
            "charged_micros": costs * restored,
        }
    )


def _grouped(table: Any, name: str) -> Any:
    sums = table.group_by([name, "currency"]).aggregate([(column, "sum") for column in _SUMS])
    return sums.rename_columns({f"{column}_sum": column for column in _SUMS})


def _lines(name: str, parts: list[Any]) -> Iterator[Line]:
    if not parts:
        return
    rows = _grouped(pa.concat_tables(parts), name).to_pylist()
    found = [Line(row[name], row["currency"], *(row[column] for column in _SUMS)) for row in rows]
    yield from sorted(found, key=lambda line: (0 if name == "hour" else -line.flips, line.value, line.currency))


def _examples(rows: Rows, rescored: Rescored, was: npt.NDArray[np.bool_]) -> Iterator[Example]:
    names = ("click_id", "advertiser_id", "slice", "cost_micros", "currency", "reason", "score")
    return map(
        Example,
        *(rows.columns[name].to_pylist() for name in names),
        [_VERDICTS[invalid] for invalid in was.tolist()],
        [_VERDICTS[invalid] for invalid in rescored.invalid.tolist()],
        reasons(rows.columns, rescored),
        rescored.scores.tolist(),
        rescored.thresholds.tolist(),
    )
