"""What came on each day of a history, counted for guardrails: out of core, from the files that labels are made of."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from contracts.scored import HOURS_OF_WEEK
from contracts.summaries import DAY_MS, HOURS, DaySummary, SliceDay, Sources
from model.duck import BOUNDS, Bounds, bounded, table
from model.feature_counts import FeatureCounts, count_features
from model.inputs import Inputs
from model.reading import open_labelled
from model.summary_queries import CLICKS, GAPS, LABELLED, PURCHASES, SLICES, SOURCES, WEEK

_HOUR_MS: Final = DAY_MS // HOURS
# An hour counts as whole though nobody happened to click in its first or last minutes.
_QUIET_MS: Final = 5 * 60_000


class Span(NamedTuple):
    """A stretch of time, in milliseconds UTC, up to but not including `until_ms`."""

    from_ms: int
    until_ms: int


class Labels(NamedTuple):
    """A folder that `labels.write_labels` wrote, and of which time it has the labels."""

    folder: Path
    span: Span


def summarise(inputs: Inputs, labels: Sequence[Labels], known: Span, bounds: Bounds = BOUNDS) -> list[DaySummary]:
    """Each UTC day of the time `known`, those without a click too, in order.

    Raises BadInput for damaged files, Misconfigured where memory or disk does not suffice.
    """
    inputs.check()
    days = range(known.from_ms // DAY_MS, (known.until_ms - 1) // DAY_MS + 1)
    features = FeatureCounts.empty(days)
    for labelled in labels:
        count_features(open_labelled(labelled.folder), features)
    with bounded(bounds, inputs) as database:
        counted = _Counted(database, inputs, labels, known)
        return [counted.day(day, labels, features) for day in days]


class _Counted:
    """What the queries found, by day."""

    def __init__(self, database: Any, inputs: Inputs, labels: Sequence[Labels], known: Span) -> None:
        self._known = known
        bounds = {"from_ms": known.from_ms, "until_ms": known.until_ms}
        database.execute(CLICKS.format(rows=table(inputs.rows, inputs)))
        paths = [str(path) for each in labels for path in sorted(each.folder.glob("*.parquet"))]
        database.execute(LABELLED.format(labelled=table(paths, Inputs(paths, ()))))
        self._slices = database.execute(SLICES, bounds).fetchall()
        self._week = database.execute(WEEK).fetchall()
        purchases = table(inputs.purchases, inputs)
        self._purchases = database.execute(PURCHASES.format(purchases=purchases), bounds).fetchall()
        self._sources = {day: tuple(row) for day, *row in database.execute(SOURCES, bounds).fetchall()}
        self._missing = dict(database.execute(GAPS, bounds).fetchall())

    def day(self, day: int, labels: Sequence[Labels], features: FeatureCounts) -> DaySummary:
        new, again = self._purchases_of(day)
        labelled, human = self._week_of(day)
        return DaySummary(
            day=day,
            whole=_within(day, [self._known]),
            labelled=_within(day, [each.span for each in labels]),
            slices=self._slices_of(day),
            purchases=new,
            purchases_again=again,
            not_human=sum(row[4] for row in self._week if row[0] == day),
            week_labelled=labelled,
            week_human=human,
            features=features.of(day),
            sources=self._sources_of(day),
        )

    def _slices_of(self, day: int) -> dict[str, SliceDay]:
        rows = [row for row in self._slices if row[0] == day]
        return {
            name: SliceDay(*(_by_hour([(row[1], row[3 + i]) for row in rows if row[2] == name]) for i in range(4)))
            for name in sorted({row[2] for row in rows})
        }

    def _purchases_of(self, day: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        rows = [row for row in self._purchases if row[0] == day]
        return _by_hour([(row[1], row[2]) for row in rows]), _by_hour([(row[1], row[3]) for row in rows])

    def _week_of(self, day: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        rows = [row for row in self._week if row[0] == day]
        labelled = _placed([(row[1], row[2]) for row in rows], HOURS_OF_WEEK)
        return labelled, _placed([(row[1], row[3]) for row in rows], HOURS_OF_WEEK)

    def _sources_of(self, day: int) -> Sources:
        rows, again, repeated, click_ids, moments = self._sources.get(day, (0, 0, 0, (), ()))
        missing = int(self._missing.get(day, 0))
        return Sources(rows, again, missing, repeated, tuple(sorted(click_ids)), tuple(sorted(moments)))


def _by_hour(counts: list[tuple[int, int]]) -> tuple[int, ...]:
    return _placed(counts, HOURS)


def _placed(counts: list[tuple[int, int]], places: int) -> tuple[int, ...]:
    found = [0] * places
    for place, count in counts:
        found[place] = int(count)
    return tuple(found)


def _within(day: int, spans: Sequence[Span]) -> tuple[bool, ...]:
    """Which hours of the day lie within one of the spans, (24,)."""
    starts = [DAY_MS * day + _HOUR_MS * hour for hour in range(HOURS)]
    return tuple(
        any(span.from_ms - _QUIET_MS <= start and start + _HOUR_MS <= span.until_ms + _QUIET_MS for span in spans)
        for start in starts
    )
