"""Everything that guardrails say of a candidate."""

from pathlib import Path

from contracts.verdicts import GuardrailVerdict
from guardrails.limits import Limits
from model.release import Release
from slidr.guarding_data import judge_data
from slidr.guarding_file import judge_file, release_files
from slidr.guarding_model import judge_release
from slidr.retrain.layout import version_in
from slidr.retrain.plan import read_plan


def judge_candidate(
    candidate: Path, limits: Limits, champion: Release | None = None, history: Path | None = None
) -> list[GuardrailVerdict]:
    """Judge the finished folder of `slidr retrain`; a release that does not load is judged by its data alone besides.

    `champion`: the release that it would follow. `history`: folder with summaries of earlier days
    (`guarding_data.remember`). Raises Misconfigured for a folder that is no candidate, and for files that are gone.
    """
    version, plan = version_in(candidate), read_plan(candidate)
    files = release_files(candidate, version)
    verdicts = [files, *judge_data(candidate, plan, limits, history)]
    if files.outcome == "blocked":
        return verdicts
    return [
        *verdicts,
        *judge_file(candidate, version, limits),
        *judge_release(candidate, version, plan, limits, champion),
    ]
