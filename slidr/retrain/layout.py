"""Where things are in a candidate's folder, for whoever reads one without making it: no torch, no mathematics."""

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from contracts.errors import Misconfigured
from model.store import ModelStore
from slidr.retrain.parts import Parts

PLAN: Final = "plan.json"
JUDGED: Final = Path("labels") / "judged"
TEST_SCORES: Final = Path("scored") / "test.parquet"
REPORT: Final = Path("calibration") / "report.html"
RELEASE: Final = "release"


class _Goals(Struct):
    busy_over: float


class _Asked(Struct):
    goals: _Goals


class Outline(Struct):
    """What is read of a plan: how the history was cut by time, and what it was calibrated to."""

    parts: Parts
    asked: _Asked

    @property
    def busy_over(self) -> float:
        """Sessions with more ad clicks in an hour count for robotic coverage."""
        return self.asked.goals.busy_over


def read_outline(candidate: Path) -> Outline:
    """Raises Misconfigured for a folder without a plan."""
    try:
        return msgspec.json.decode((candidate / PLAN).read_bytes(), type=Outline)
    except (OSError, msgspec.DecodeError) as error:
        raise Misconfigured(f"{candidate / PLAN} cannot be read: {error}. Name the folder of a candidate.") from error


def version_in(candidate: Path) -> str:
    """Version of the candidate's release. Raises Misconfigured for a folder without a finished candidate."""
    versions = ModelStore(str(candidate / RELEASE)).versions()
    if len(versions) != 1:
        raise Misconfigured(
            f"{candidate} is no finished candidate: it has {len(versions)} releases in {RELEASE}/, expected one. "
            f"Make or finish it: slidr retrain {candidate}"
        )
    return versions[0]
