"""Scores the shadow release beside the active one. It changes no decision: if it fails, it is only no longer scored."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from contracts.events import Click
from contracts.ports import FloatMatrix
from streams.feature_rows import ShadowRows
from streams.judge import Judge, Judged, Judges
from streams.metrics import Metrics


class ShadowScoring:
    """Compares the two releases on the same clicks. `failed(shadow, error)` is told of one that is to be given up."""

    def __init__(self, metrics: Metrics, failed: Callable[[Judge, Exception], None]) -> None:
        self._metrics = metrics
        self._failed = failed

    def score(
        self,
        judges: Judges,
        judged: Judged | None,
        clicks: Sequence[Click],
        timestamps_ms: Sequence[int],
        features: FloatMatrix,
    ) -> ShadowRows | None:
        """What the shadow says of n clicks that were `judged`; None without a shadow or clicks, or if it fails."""
        active, shadow = judges
        if shadow is None or judged is None:
            return None
        started_s = time.monotonic()
        try:
            beside = shadow.judge_beside(active, judged, clicks, timestamps_ms, features)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a shadow must not stop what decides
            self._failed(shadow, error)
            return None
        self._metrics.shadow_seconds.observe(time.monotonic() - started_s)
        self._compare(judged, beside)
        return ShadowRows(shadow.version, beside.verdicts.score, beside.verdicts.verdict)

    def _compare(self, judged: Judged, beside: Judged) -> None:
        ours, theirs = judged.verdicts, beside.verdicts
        for labels, clicks in Counter(zip(ours.slice, ours.verdict, theirs.verdict, strict=True)).items():
            self._metrics.shadow_clicks.labels(*labels).inc(clicks)
