"""Deciding the usual way, for every engine that does the same job: onnxruntime, one run a call, a threshold a slice."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime


class Model:
    """What a release says: the order of its features, its thresholds, its network."""

    def __init__(self, release: Path) -> None:
        self._feature_ids = json.loads((release / "manifest.json").read_text())["feature_ids"]
        self._thresholds = json.loads((release / "calibration.json").read_text())["thresholds"]
        self._session = onnxruntime.InferenceSession(release / "model.onnx", providers=["CPUExecutionProvider"])

    def decide(self, clicks: Sequence[Any], features: Sequence[Mapping[str, float]]) -> list[dict[str, Any]]:
        """A decision for each click, in one run of as many rows."""
        rows = np.array([[each[feature] for feature in self._feature_ids] for each in features], np.float32)
        scores = self._session.run(None, {"features": rows})[0]
        return [self._decision(click, float(score)) for click, score in zip(clicks, scores, strict=True)]

    def _decision(self, click: Any, score: float) -> dict[str, Any]:
        threshold = self._thresholds[f"{click.device}|{'user' if click.logged_in else 'guest'}"]
        return {
            "click_id": click.click_id,
            "verdict": "invalid" if score >= threshold else "valid",
            "score": score,
            "threshold": threshold,
            "cost_micros": click.cost_micros,
            "clicked_at_ms": click.clicked_at_ms,
            "decided_at_ms": int(time.time() * 1_000),
        }
