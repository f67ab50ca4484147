"""How far features and verdicts counted again are those that were logged, over the spans of a replay."""

from collections.abc import Iterator
from contextlib import closing
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from billing.log import open_consumer
from contracts.agreement import Agreed, Unexplained
from contracts.errors import BadInput, Misconfigured, Refused
from contracts.features import FEATURE_IDS
from contracts.ports import FloatMatrix
from contracts.replay import ReplayJob
from replay.again import Again, ClickSource
from replay.agreement import Agreement
from replay.releases import Releases
from replay.rescoring import Rescorer
from replay.warming import GoOn
from rules.ruleset import RuleSet

_NAMED: Final = 10


class _Judge(NamedTuple):
    rescorer: Rescorer
    rules: RuleSet


class Judges:
    """The releases that decided the rows, each loaded once; None for one that cannot be read any more."""

    def __init__(self, releases: Releases) -> None:
        self._releases = releases
        self._known: dict[str, _Judge | None] = {}

    def of(self, version: str) -> _Judge | None:
        """Judge of a release. Raises Unavailable."""
        if version not in self._known:
            self._known[version] = self._load(version)
        return self._known[version]

    def _load(self, version: str) -> _Judge | None:
        try:
            rescorer = self._releases.rescorer(version, keep_rules=True)
            return _Judge(rescorer, RuleSet.from_json(rescorer.release.rules_json))
        except (BadInput, Misconfigured, Refused):
            return None


def measure(
    source: ClickSource, job: ReplayJob, judges: Judges, go_on: GoOn = lambda clicks: True
) -> Agreed:  # fmt: skip
    """Over all clicks of the spans, selected or not; ends early where `go_on(n)`, asked after n more, says False."""
    agreement, named = Agreement(), list[Unexplained]()
    for again in _read(source, job):
        columns, before = again.logged.columns, _logged(again)
        was = np.asarray(pc.equal(columns["verdict"], "invalid"))
        now, known = _verdicts(again, judges)
        unexplained = agreement.add(
            before, again.features, columns["flags"].to_numpy(), again.shared, was, now, known
        )  # fmt: skip
        for row in np.flatnonzero(unexplained)[: _NAMED - len(named)].tolist():
            named.append(_named(again, before, row))
        if not go_on(len(columns)):
            break
    return agreement.result(named)


def _read(source: ClickSource, job: ReplayJob) -> Iterator[Again]:
    with closing(open_consumer(source.logs.kafka)) as consumer:
        for partition, span in sorted(job.spans.items()):
            yield from source.read(consumer, partition, span)


def _logged(again: Again) -> FloatMatrix:
    """Features as logged (n, F); what the log did not hold yet cannot differ from it."""
    logged, wide = again.logged.features, again.features.shape[1]
    return np.ascontiguousarray(np.hstack((logged[:, :wide], again.features[:, logged.shape[1] :])))


def _named(again: Again, before: FloatMatrix, row: int) -> Unexplained:
    differ = np.flatnonzero(before[row].view(np.uint32) != again.features[row].view(np.uint32)).tolist()
    names = ("click_id", "source_partition", "source_offset")
    click_id, partition, offset = (again.logged.columns[name][row].as_py() for name in names)
    return Unexplained(click_id, partition, offset, tuple(FEATURE_IDS[place] for place in differ))


def _verdicts(again: Again, judges: Judges) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Whether the release that decided each row calls it invalid now, (n,); and whether it can still be asked, (n,)."""
    versions = np.asarray(again.logged.columns["model_version"])
    invalid, known = np.zeros(len(versions), np.bool_), np.zeros(len(versions), np.bool_)
    for version in np.unique(versions).tolist():
        if (judge := judges.of(version)) is not None:
            own = versions == version
            invalid[own] = judge.rescorer.rescore(again.by(judge.rules).where(own)).invalid
            known |= own
    return invalid, known
