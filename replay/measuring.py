"""How far features and verdicts counted again are those that were logged, over the spans of a replay."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from billing.log import Stretch, open_consumer
from contracts.errors import BadInput, Misconfigured, Refused
from contracts.replay import ReplayJob
from replay.again import Again, ClickSource
from replay.agreement import Agreed, Agreement
from replay.releases import Releases
from replay.rescoring import Rescorer
from replay.warming import GoOn
from rules.ruleset import RuleSet


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
    agreement = Agreement()
    consumer = open_consumer(source.logs.kafka)
    try:
        for partition, span in sorted(job.spans.items()):
            log, clicks = Stretch(span.log_first, span.log_end), Stretch(span.first, span.end)
            _measure(agreement, source.read(consumer, partition, span, log, clicks), judges, go_on)
    finally:
        consumer.close()
    return agreement.result()


def _measure(
    agreement: Agreement, pieces: Iterable[Again], judges: Judges, go_on: GoOn
) -> None:  # fmt: skip
    for again in pieces:
        columns, logged = again.logged.columns, again.logged.features
        was = np.asarray(pc.equal(columns["verdict"], "invalid"))
        # What the log did not hold yet cannot differ from it.
        lacking = again.features[:, logged.shape[1] :]
        before = np.ascontiguousarray(np.hstack((logged, lacking)))
        is_, known = _verdicts(again, judges)
        agreement.add(before, again.features, columns["flags"].to_numpy(), again.shared, was, is_, known)
        if not go_on(len(columns)):
            return


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
