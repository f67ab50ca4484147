"""The scorer alone: microseconds a run by its rows, and rows per second."""

import time
from typing import Any

import numpy as np

from bench.deployment import Deployment
from bench.quantiles import quantiles
from model.release import load_release
from model.scorer import scorer_for

ROWS = (1, 16, 256, 1_024)
_RUNS = 2_000


def measure_scorer(place: Deployment, seed: int) -> list[dict[str, Any]]:
    """One row a batch size."""
    release = load_release(place.models_uri, place.release)
    scorer = scorer_for(release)
    features = np.random.default_rng(seed).random((max(ROWS), len(release.feature_ids)), np.float32)
    found = []
    for rows in ROWS:
        taken_s, cpu_s = np.empty(_RUNS), time.process_time()
        for i in range(_RUNS):
            started_s = time.perf_counter()
            scorer.score(features[:rows])
            taken_s[i] = time.perf_counter() - started_s
        found.append(
            {
                "rows": rows,
                "provider": scorer.provider,
                "rows_per_s": round(rows / float(np.median(taken_s))),
                "cpu_us": round(1e6 * (time.process_time() - cpu_s) / _RUNS, 1),
                "run": quantiles(taken_s),
            }
        )
    return found
