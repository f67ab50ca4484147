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


class _Plan(Struct):
    parts: Parts


def read_parts(candidate: Path) -> Parts:
    """How the history was cut by time. Raises Misconfigured for a folder without a plan."""
    try:
        return msgspec.json.decode((candidate / PLAN).read_bytes(), type=_Plan).parts
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
