"""Clicks to calibrate on: scored already, or labelled and scored here by a model in a file."""

from pathlib import Path

from contracts.errors import Misconfigured
from contracts.scored import Scored
from model.manifest import SLICES
from model.reading import open_labelled
from model.scorer import OnnxScorer, features_read
from model.scoring import score_rows
from slidr.scored_files import read_scored


def scored_clicks(clicks: Path, onnx: Path | None) -> Scored:
    """Scored clicks of a file or folder or, with `onnx`, labelled clicks of a folder with what that model says of them.

    Raises Misconfigured for files that are not there or a model of no use, BadInput for damaged files.
    """
    if onnx is None:
        return read_scored(clicks, SLICES)
    scorer = OnnxScorer(read_model(onnx))
    return score_rows(open_labelled(clicks), scorer, features_read(scorer))


def read_model(onnx: Path) -> bytes:
    """An ONNX file. Raises Misconfigured if it cannot be read."""
    try:
        return onnx.read_bytes()
    except OSError as error:
        raise Misconfigured(f"The model {onnx} cannot be read: {error.strerror}. Name an ONNX file.") from error
