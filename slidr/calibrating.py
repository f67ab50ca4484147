"""From files of scored clicks to a folder with `calibration.json` and `report.html`."""

from pathlib import Path
from typing import Final

import msgspec

from calibrate.calibration import calibrate
from calibrate.goals import Goals
from calibrate.measure import remeasure
from calibrate.result import Calibrated
from contracts.errors import Misconfigured, Refused
from contracts.files import new_folder
from contracts.scored import Scored
from model.manifest import CALIBRATION, SLICES
from slidr.report.material import Material
from slidr.report.page import report_html

REPORT: Final = "report.html"


def calibrate_and_test(scored: Scored, held_out: Scored, goals: Goals) -> Calibrated:
    """Thresholds from `scored`, measured on `held_out`, all of whose clicks are later. Raises as `calibrate` does."""
    found = calibrate(scored, goals)
    return msgspec.structs.replace(found, held_out=remeasure(found, held_out))


def split_by_time(scored: Scored) -> tuple[Scored, Scored]:
    """The first half of the time that the clicks span, and the second. Raises Refused if one of them is empty."""
    if not len(scored.score):
        raise Refused("There are no scored clicks. Name a file that has some.")
    begin_ms, end_ms = int(scored.clicked_at_ms.min()), int(scored.clicked_at_ms.max())
    early = scored.clicked_at_ms < (begin_ms + end_ms) / 2
    if not early.any():
        raise Refused("All clicks are of one moment, so that none is held out. Take a longer time.")
    return scored.rows(early), scored.rows(~early)


def write_result(folder: Path, shown: Material) -> None:
    """Write both files: who looks sees all or nothing. Raises as `contracts.files.new_folder` does."""
    with new_folder(folder) as draft:
        content = msgspec.json.format(msgspec.json.encode(shown.calibrated), indent=2) + b"\n"
        (draft / CALIBRATION).write_bytes(content)
        (draft / REPORT).write_text(report_html(shown), encoding="utf-8")


def read_calibration(path: Path) -> tuple[dict[str, float], float]:
    """Thresholds of a `calibration.json`, and how many clicks of a session its robotic coverage begins above.

    Raises Misconfigured for a file that cannot be used.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Calibrated)
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}. Name a calibration.json.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}. Name one that `slidr calibrate` wrote.") from error
    if missing := sorted(set(SLICES) - set(found.thresholds)):
        raise Misconfigured(f"{path} has no threshold for {', '.join(missing)}. Calibrate again.")
    return found.thresholds, found.goals.busy_over
