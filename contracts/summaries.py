"""What is counted of a day of clicks, and of what a model does to clicks. Guardrails judge these and see no click.

Kept as JSON, so that the days to come can be compared with those before them.
"""

from typing import Final

from msgspec import Struct

HOURS: Final = 24
DAY_MS: Final = 86_400_000

# Where the bins of every feature begin; what lies below the first one is in bin 0. Counters and gaps differ by factors,
# so that bins are half an octave wide, and other units move all of them by the same number of bins.
FIRST_POSITIVE_BIN: Final = 5
_BINS_AN_OCTAVE: Final = 2
_LOWEST_OCTAVE, _HIGHEST_OCTAVE = -8, 30
BIN_EDGES: Final = (
    *(-0.75, -0.5, -0.25, 0.0),
    *(
        2.0 ** (step / _BINS_AN_OCTAVE)
        for step in range(_BINS_AN_OCTAVE * _LOWEST_OCTAVE, _BINS_AN_OCTAVE * _HIGHEST_OCTAVE + 1)
    ),
)
BINS: Final = len(BIN_EDGES) + 1


class SliceDay(Struct, frozen=True):
    """Clicks of one slice in each hour of a UTC day, (24,) each: all of them, those labelled, and of these who bought.

    `human` and `purchasing` as `model.labels` has them.
    """

    clicks: tuple[int, ...]
    labelled: tuple[int, ...]
    human: tuple[int, ...]
    purchasing: tuple[int, ...]


class FeatureDay(Struct, frozen=True):
    """One feature of a day's labelled clicks.

    `human`: human clicks in each bin of `BIN_EDGES`, (BINS,); robots are left out, since an attack is not drift.
    `missing`: clicks, whoever made them, without a finite value.
    """

    human: tuple[int, ...]
    missing: int = 0


class Sources(Struct, frozen=True):
    """Where a day's clicks came from.

    `rows` as archived; `again`: rows with a source offset that another row has; `missing`: source offsets that no row
    has, counted on the day of the click before them; `repeated`: clicks with the click_id, or with account and
    millisecond, of another click of the day.
    `click_ids` and `moments` are samples, the smallest hashes of click ids and of (account, millisecond of the day):
    two days that share some share clicks.
    """

    rows: int
    again: int
    missing: int
    repeated: int
    click_ids: tuple[int, ...]
    moments: tuple[int, ...]


class DaySummary(Struct, frozen=True):
    """A UTC day, `day` days after 1970-01-01. Hours that are cut off by the ends of the history are not `whole`.

    `whole` and `labelled`, (24,): hours of which all clicks and purchases are known, and all labels.
    `purchases`, (24,): purchases by when they happened, each once; `purchases_again`: those reported before.
    `not_human`: purchasing clicks that are not labelled human, which cannot be.
    `week_labelled` and `week_human`, (168,): labelled clicks, and human ones, by local hour of the week.
    """

    day: int
    whole: tuple[bool, ...]
    labelled: tuple[bool, ...]
    slices: dict[str, SliceDay]
    purchases: tuple[int, ...]
    purchases_again: tuple[int, ...]
    not_human: int
    week_labelled: tuple[int, ...]
    week_human: tuple[int, ...]
    features: dict[str, FeatureDay]
    sources: Sources


class SliceModel(Struct, frozen=True):
    """What a release does to the clicks of one slice, and what the champion does to the same.

    `busy`: clicks in busy sessions. `flipped`: clicks that the two judge differently. The champion's are None without
    one.
    """

    clicks: int
    invalid: int
    purchasing: int
    purchasing_invalid: int
    busy: int
    busy_invalid: int
    threshold: float
    champion_threshold: float | None = None
    champion_invalid: int | None = None
    flipped: int | None = None


class ModelSummary(Struct, frozen=True):
    """What a release does to clicks that set none of its thresholds.

    `not_scores`: clicks whose score is no number from 0 to 1; `extreme`: those with a score of exactly 0 or 1;
    `alike`: those with the most common score. `purchasing_auc`: how often a purchasing click scores above another one
    (None if there are not both).
    """

    slices: dict[str, SliceModel]
    not_scores: int
    extreme: int
    alike: int
    purchasing_auc: float | None


class Promised(Struct, frozen=True):
    """What calibration was asked for and found: shares from 0 to 1; `thresholds` by slice.

    `predicted_upper`: the bound of the FPR in the time that follows.
    """

    fpr_budget: float
    slice_fpr_cap: float
    coverage_floors: dict[str, float]
    predicted_upper: float
    thresholds: dict[str, float]
