"""Scorers: a model that is ready to score, and none.

A score does not depend on the batch that it is computed in: every run has one shape, a block of rows, and the rest of
the last block is padding (docs/decisions/0003-batch-independent-scores.md).
"""

import ctypes
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from contracts.errors import Misconfigured
from contracts.features import FEATURE_IDS, FEATURE_INDEX
from contracts.ports import FloatMatrix, Scorer
from model.release import Release

CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"
# Rows a run. On a GPU a run costs its launch, whatever its rows up to about a thousand.
BLOCK_ROWS: Final = {CPU: 64, CUDA: 1024}
INPUT: Final = "features"
OUTPUT: Final = "probability"
# Metadata of a model: the ids of the features that it reads, in order, with spaces between them.
FEATURES_KEY: Final = "slidr.feature_ids"

_FLOAT: Final = "tensor(float)"
_ERRORS_ONLY: Final = 3
_WARM_UP_RUNS: Final = 20


class OnnxScorer:
    """Scores with ONNX Runtime: on the GPU where there is one, else on one CPU thread.

    The graph reads `features` (n, F) float32 and answers `probability` (n,) float32. `provider` names what runs it;
    `feature_ids` are what the model says that it reads, empty if it does not say.
    """

    def __init__(self, model: bytes) -> None:
        """Load and warm up. Raises Misconfigured for bytes that are no such graph."""
        try:
            self._session = ort.InferenceSession(model, _options(), providers=_providers())
            self.provider: str = self._session.get_providers()[0]
            self.features = _width(self._session)
            named = self._session.get_modelmeta().custom_metadata_map.get(FEATURES_KEY, "")
            self.feature_ids = tuple(named.split())
            self._rows = BLOCK_ROWS[self.provider]
            for _ in range(_WARM_UP_RUNS):
                self.score(np.zeros((self._rows, self.features), np.float32))
        except Misconfigured:
            raise
        except Exception as error:  # ONNX Runtime has a class of its own for each status code
            raise Misconfigured(f"The model cannot be used: {error}. Train or publish it again.") from error

    def score(self, features: FloatMatrix) -> npt.NDArray[np.float32]:
        """Robot probability per row: (n, F) float32 -> (n,) float32 in [0, 1].

        A row with a value that is not finite scores 0: what cannot be read is not called a robot. Raises ValueError
        for another width than the model's.
        """
        n, wide = features.shape
        if wide != self.features:
            raise ValueError(f"The model reads {self.features} features, found {wide}.")
        scores = np.empty(n, np.float32)
        for start in range(0, n, self._rows):
            block = features[start : start + self._rows]
            scores[start : start + len(block)] = self._run(block)[: len(block)]
        if not np.isfinite(features).all():
            scores[~np.isfinite(features).all(axis=1)] = 0
        return scores

    def _run(self, block: FloatMatrix) -> npt.NDArray[np.float32]:
        """Scores of one block, with those of the padding."""
        if len(block) < self._rows:
            padded = np.zeros((self._rows, self.features), np.float32)
            padded[: len(block)] = block
            block = padded
        scores: npt.NDArray[np.float32] = self._session.run([OUTPUT], {INPUT: block})[0]
        return scores


class PassThroughScorer:
    """The scorer of a release without a model: nobody is a robot."""

    provider = "none"

    def score(self, features: FloatMatrix) -> npt.NDArray[np.float32]:
        """Zeros: (n, F) float32 -> (n,) float32."""
        return np.zeros(len(features), np.float32)


def scorer_for(release: Release) -> Scorer:
    """The scorer of a release, warmed up. Raises Misconfigured if its model reads other features than it says."""
    if release.onnx is None:
        return PassThroughScorer()
    scorer = OnnxScorer(release.onnx)
    if scorer.features != len(release.feature_ids):
        raise Misconfigured(
            f"Release {release.version!r} lists {len(release.feature_ids)} features and its model reads "
            f"{scorer.features}. Publish it again."
        )
    return scorer


def features_read(scorer: OnnxScorer) -> tuple[str, ...]:
    """Ids of the features that a model reads: as it says, or the whole table where it has its width.

    Raises Misconfigured for a model that reads something else.
    """
    feature_ids = scorer.feature_ids or (FEATURE_IDS if scorer.features == len(FEATURE_IDS) else ())
    unknown = [feature_id for feature_id in feature_ids if feature_id not in FEATURE_INDEX]
    if unknown or len(feature_ids) != scorer.features:
        what = f"which does not know {', '.join(unknown)}" if unknown else f"whose table has {len(FEATURE_IDS)}"
        raise Misconfigured(
            f"The model reads {scorer.features} features of this version of SLIDR, {what}. Name them, in order and "
            f"with spaces between them, in its metadata {FEATURES_KEY!r}."
        )
    return feature_ids


def _options() -> Any:
    options = ort.SessionOptions()
    # Thread pools make the tail of the latency, and the event loop has one core to itself at best.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _ERRORS_ONLY
    return options


def _providers() -> list[Any]:
    if CUDA not in ort.get_available_providers() or not _has_gpu():
        return [CPU]
    ort.preload_dlls()
    # TF32 has ten bits of mantissa: scores would differ in the third decimal from those that calibration saw.
    return [(CUDA, {"use_tf32": "0"}), CPU]


def _has_gpu() -> bool:
    """Whether the NVIDIA driver shows a device; asked first, since ONNX Runtime complains at length without one."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def _width(session: Any) -> int:
    """Features that the graph reads; Misconfigured if its input and output are not those of a release's model."""
    reads = [(node.name, node.type, len(node.shape)) for node in session.get_inputs()]
    answers = [(node.name, node.type, len(node.shape)) for node in session.get_outputs()]
    if reads != [(INPUT, _FLOAT, 2)] or answers != [(OUTPUT, _FLOAT, 1)]:
        raise Misconfigured(
            f"The model reads {reads} and answers {answers} (name, type, dimensions); expected {INPUT!r} (n, F) and "
            f"{OUTPUT!r} (n,) of {_FLOAT}. Export it with slidr train."
        )
    return int(session.get_inputs()[0].shape[1])
