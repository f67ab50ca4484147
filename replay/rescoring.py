"""A pinned release over logged rows, in columns: the same scorer, the same written scores, the same thresholds.

What is taken from the log and not computed again: the slice, and the rules that fired, since they need the click's
address and user agent, which are in no log of decisions. So the release's rule lists must be those that fired.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contracts.errors import BadInput, Refused, SlidrError
from contracts.features import FEATURE_IDS
from contracts.ports import Scorer
from model.decide import MODEL_REASON, NO_REASON, invalid_rows, written_scores
from model.release import Release
from replay.rows import Rows
from rules.lists import RuleLists, read_lists


class Rescored(NamedTuple):
    """What the release says of n rows; `ruled`: a rule fired, and gives the reason."""

    invalid: npt.NDArray[np.bool_]
    scores: npt.NDArray[np.float64]
    thresholds: npt.NDArray[np.float64]
    ruled: npt.NDArray[np.bool_]

    def where(self, mask: npt.NDArray[np.bool_]) -> "Rescored":
        """Those of the rows that are true in `mask` (n,)."""
        return Rescored(self.invalid[mask], self.scores[mask], self.thresholds[mask], self.ruled[mask])


class Rescorer:
    """One release, warmed up. `load(version)` reads another one, to compare rule lists; it may raise SlidrError."""

    def __init__(
        self, release: Release, scorer: Scorer, load: Callable[[str], Release], *, keep_rules: bool = False
    ) -> None:
        self.release = release
        self._scorer = scorer
        self._load = load
        self._keep_rules = keep_rules
        self._lists = _lists_of(release)
        self._same_rules: dict[str, bool] = {release.version: True}

    def rescore(self, rows: Rows) -> Rescored:
        """Decide n rows. Raises Refused for rows that lack a feature, or whose rules are not those of the release."""
        self._check_features(rows)
        self._check_rules(rows)
        scores = written_scores(self._scorer.score(self.release.gather(rows.features[:, : len(FEATURE_IDS)])))
        thresholds = self._thresholds(rows)
        ruled = pc.greater(pc.list_value_length(rows.columns["rules"]), 0).to_numpy()
        return Rescored(invalid_rows(scores, thresholds, ruled), scores, thresholds, ruled)

    def other_rules(self, rows: Rows) -> list[str]:
        """Releases that decided some of the rows by other rule lists, or by lists that cannot be read any more."""
        versions = pc.unique(rows.columns["model_version"]).to_pylist()
        return [version for version in versions if not self._has_same_rules(version)]

    def _check_features(self, rows: Rows) -> None:
        wide = rows.features.shape[1]
        lacking = [name for name in self.release.feature_ids if name not in FEATURE_IDS[:wide]]
        if lacking:
            raise Refused(
                f"Release {self.release.version!r} reads {', '.join(lacking)}, which the feature log does not hold "
                f"there: it was written with the first {wide} features. Begin the range later, or name a release "
                "of that time."
            )

    def _check_rules(self, rows: Rows) -> None:
        if self._keep_rules or not (others := self.other_rules(rows)):
            return
        raise Refused(
            f"Release {self.release.version!r} has other rule lists than {', '.join(others)}, which decided some of "
            "these clicks (or lists that cannot be read any more). Which rules fire cannot be told from the feature "
            "log. --keep-rules takes those that were logged, or name a release with the same lists."
        )

    def _has_same_rules(self, version: str) -> bool:
        if version not in self._same_rules:
            try:
                self._same_rules[version] = _lists_of(self._load(version)) == self._lists
            except SlidrError:
                self._same_rules[version] = False
        return self._same_rules[version]

    def _thresholds(self, rows: Rows) -> npt.NDArray[np.float64]:
        """Threshold of each row's slice, (n,)."""
        slices = pc.dictionary_encode(rows.columns["slice"]).combine_chunks()
        slices = slices.combine_chunks() if hasattr(slices, "combine_chunks") else slices
        names = slices.dictionary.to_pylist()
        if unknown := sorted(set(names) - set(self.release.thresholds)):
            raise BadInput(f"The feature log has slices that releases do not know: {', '.join(unknown)}.")
        by_name = np.array([self.release.thresholds[name] for name in names], np.float64)
        found: npt.NDArray[np.float64] = by_name[np.asarray(slices.indices)]
        return found


def reasons(rows: Any, rescored: Rescored) -> list[str]:
    """`reason` of each row: the first rule that fired, else the model's."""
    found: list[str] = np.where(rescored.invalid, MODEL_REASON, NO_REASON).tolist()
    ruled = np.flatnonzero(rescored.ruled)
    for row, rules in zip(ruled.tolist(), rows["rules"].take(pa.array(ruled)).to_pylist(), strict=True):
        found[row] = rules[0]
    return found


def _lists_of(release: Release) -> RuleLists:
    return read_lists(release.rules_json)
