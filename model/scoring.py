"""What a model says of labelled clicks, in columns: 40 bytes a click in memory, their features only in passing."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from contracts.errors import BadInput, Refused
from contracts.ports import Scorer
from contracts.scored import Scored
from model.decide import written_scores
from model.manifest import SLICES
from model.reading import Labelled, matrix_of
from model.release import columns_of

_COLUMNS: Final = (
    "clicked_at_ms",
    "slice",
    "hour_of_week",
    "purchasing",
    "by_rules",
    "session_clicks_1h",
    "features",
)
_PLAIN: Final = ("clicked_at_ms", "hour_of_week", "purchasing", "by_rules", "session_clicks_1h")


def score_rows(
    labelled: Labelled,
    scorer: Scorer,
    feature_ids: tuple[str, ...],
    on_rows: Callable[[int], None] = lambda done: None,
) -> Scored:
    """Score labelled clicks with a model that reads `feature_ids`, in time order; `on_rows` hears how many are done.

    Raises Refused where there is no click, BadInput for a
    damaged file.
    """
    columns = columns_of(feature_ids)
    scored, slices, kinds = _empty(labelled.rows_at_most), _Names(SLICES), _Names()
    done = 0
    for table in labelled.tables((*_COLUMNS, "kind") if labelled.with_kinds else _COLUMNS):
        features = matrix_of(table)
        rows = slice(done, done + len(table))
        scored["score"][rows] = written_scores(scorer.score(features if columns is None else features[:, columns]))
        scored["slice_index"][rows] = slices.index(table["slice"])
        if labelled.with_kinds:
            scored["kind_index"][rows] = kinds.index(table["kind"])
        for name in _PLAIN:
            scored[name][rows] = table[name].to_numpy()
        done = rows.stop
        on_rows(done)
    if done == 0:
        raise Refused("There are no labelled clicks in this part of the time, so there is nothing to score.")
    if strange := slices.names[len(SLICES) :]:
        raise BadInput(f"Labelled clicks are of unknown slices: {', '.join(strange)}. Expected: {', '.join(SLICES)}.")
    scored = {name: column[:done] for name, column in scored.items()}
    if not labelled.with_kinds:
        return Scored(slices=tuple(slices.names), **(scored | {"kind_index": None}))
    return Scored(slices=tuple(slices.names), kinds=tuple(kinds.names), **scored)


def _empty(rows: int) -> dict[str, Any]:
    return {
        "score": np.empty(rows, np.float64),
        "slice_index": np.empty(rows, np.int16),
        "purchasing": np.empty(rows, np.bool_),
        "by_rules": np.empty(rows, np.bool_),
        "session_clicks_1h": np.empty(rows, np.float32),
        "hour_of_week": np.empty(rows, np.int16),
        "clicked_at_ms": np.empty(rows, np.int64),
        "kind_index": np.empty(rows, np.int16),
    }


class _Names:
    """Names numbered, those not known before as they come: each row group has a dictionary of its own."""

    def __init__(self, known: Sequence[str] = ()) -> None:
        self.names = list(known)

    def index(self, column: Any) -> npt.NDArray[np.int16]:
        """Numbers (n,) of a column of words."""
        words = column.combine_chunks()
        places = np.array([self._place(word) for word in words.dictionary.to_pylist()], np.int16)
        found: npt.NDArray[np.int16] = places[words.indices.to_numpy()]
        return found

    def _place(self, word: str) -> int:
        if word not in self.names:
            self.names.append(word)
        return self.names.index(word)
