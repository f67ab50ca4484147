"""What came of a plan, kept in the candidate's folder, to be shown again without loading what made it."""

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from calibrate.result import Achieved, Calibrated, Share
from contracts.files import written_whole
from slidr.retrain.layout import RELEASE

_FILE: Final = "candidate.json"


class Seen(Struct, frozen=True):
    """What thresholds do to clicks that set none of them.

    `robot_auc`: how often a robot's click scores above a person's, and `invalid_by_kind`: what share is invalidated of
    what each kind made; both are known of simulated traffic alone (None, empty).
    """

    achieved: Achieved
    robot_auc: float | None
    invalid_by_kind: dict[str, Share]


class Candidate(Struct, frozen=True):
    """What came of a plan; `report` is the page for people. `seen` and `baselines` are of clicks that set nothing."""

    folder: str
    version: str
    clicks: int
    epochs: int
    calibrated: Calibrated
    seen: Seen
    baselines: dict[str, Seen]

    def metrics(self) -> dict[str, float]:
        """The numbers that a release's manifest keeps."""
        achieved, auc = self.seen.achieved, self.seen.robot_auc
        return {
            "ivr": achieved.ivr.value or 0.0,
            "fpr": achieved.fpr.value or 0.0,
            "fpr_low": achieved.fpr.low,
            "fpr_high": achieved.fpr.high,
            **({} if achieved.coverage.value is None else {"coverage": achieved.coverage.value}),
            **({} if auc is None else {"robot_auc": auc}),
            **{f"invalid_{kind}": share.value or 0.0 for kind, share in self.seen.invalid_by_kind.items()},
            "fpr_budget": self.calibrated.goals.fpr_budget,
        }


def keep(folder: Path, candidate: Candidate) -> None:
    """Write it, once, when all else is there: the same in whatever folder."""
    if not (folder / _FILE).exists():
        content = msgspec.json.encode(msgspec.structs.replace(candidate, folder=""))
        with written_whole(folder / _FILE) as draft:
            draft.write_bytes(msgspec.json.format(content, indent=2) + b"\n")


def finished(folder: Path) -> Candidate | None:
    """The candidate of a folder whose plan is done; None while something is left to do."""
    try:
        kept = msgspec.json.decode((folder / _FILE).read_bytes(), type=Candidate)
    except (FileNotFoundError, msgspec.DecodeError):  # not yet; or of another version: made again from what is there
        return None
    if not (folder / RELEASE / kept.version).is_dir():
        return None
    return msgspec.structs.replace(kept, folder=str(folder))
