"""A release ready to decide: rules, model and thresholds over one micro-batch."""

from collections.abc import Sequence
from typing import NamedTuple

from contracts.events import Click
from contracts.features import FEATURE_INDEX
from contracts.ports import FloatMatrix, Scorer
from model.decide import Verdicts, decide
from model.release import Release
from rules.ruleset import RuleSet

_ACCOUNT_CAMPAIGN_GAP = FEATURE_INDEX["account_campaign_gap_s"]


class Judged(NamedTuple):
    """Verdicts of n clicks in order, and the rules that fired on each."""

    verdicts: Verdicts
    fired: list[tuple[str, ...]]

    def part(self, rows: slice) -> "Judged":
        """What was judged of some of them."""
        verdict, reason, score, threshold, slice_ = self.verdicts
        return Judged(
            Verdicts(verdict[rows], reason[rows], score[rows], threshold[rows], slice_[rows]), self.fired[rows]
        )


class Judge:
    """One loaded and warmed-up release."""

    def __init__(self, release: Release, scorer: Scorer, rules: RuleSet) -> None:
        self.release = release
        self._scorer = scorer
        self._rules = rules

    @property
    def version(self) -> str:
        """Version of the release."""
        return self.release.version

    @property
    def provider(self) -> str:
        """Execution provider that really runs the model."""
        return self._scorer.provider

    def judge(self, clicks: Sequence[Click], timestamps_ms: Sequence[int], features: FloatMatrix) -> Judged:
        """Decide n clicks: features is the whole table, (n, F) float32; the release's columns are gathered from it."""
        fired = self._rules.fired(clicks, timestamps_ms, features[:, _ACCOUNT_CAMPAIGN_GAP].tolist())
        return self._decide(clicks, features, fired)

    def judge_beside(
        self,
        other: "Judge",
        judged: Judged,
        clicks: Sequence[Click],
        timestamps_ms: Sequence[int],
        features: FloatMatrix,
    ) -> Judged:
        """Decide what `other` has just `judged`; the rules are not asked again if both releases have the same."""
        if self._rules is other._rules:
            return self._decide(clicks, features, judged.fired)
        return self.judge(clicks, timestamps_ms, features)

    def _decide(self, clicks: Sequence[Click], features: FloatMatrix, fired: list[tuple[str, ...]]) -> Judged:
        scores = self._scorer.score(self.release.gather(features))
        return Judged(decide(self.release, clicks, scores, fired), fired)


class Judges(NamedTuple):
    """The release that decides, and the one that is scored beside it, which changes no decision."""

    active: Judge
    shadow: Judge | None = None
