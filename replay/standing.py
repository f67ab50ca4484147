"""The decisions in force over a span, as billing reads them: one byte a click.

    decisions[0]   live 7  live 8  live 9 ... r-a 8   r-b 8          this replay has the revision after r-b
    in force            7                 9              8, by r-b

Workers' decisions are read from where the span's begin until all of them were seen; corrections only if an earlier
replay has published over the span, from where it began. What Kafka no longer holds is read from the archive; a worker's
decision that is in neither counts as its row was logged, while nothing stands for a correction that is in neither.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from confluent_kafka import Consumer

from billing.log import Stretch, place
from contracts.errors import BadInput, Refused
from contracts.events import LIVE, Verdict
from contracts.replay import Replay, Span
from contracts.topics import Topic
from replay.logs import Logs, listed
from replay.reading import held_in, read_stretch

UNKNOWN: Final = 0
_CODES: Final[dict[Verdict, int]] = {"valid": 1, "invalid": 2}
_MOST_RUNS: Final = 255


class _Key(msgspec.Struct, gc=False):
    verdict: Verdict
    run: str
    revision: int
    source_offset: int


_decode = msgspec.json.Decoder(_Key).decode


class Standing:
    """Verdicts of n clicks from `first` on, and who gave them; what `decisions` does not hold counts as logged."""

    def __init__(self, first: int, count: int, runs: Sequence[str]) -> None:
        if len(runs) > _MOST_RUNS:
            raise BadInput(f"More than {_MOST_RUNS} replays have published over these clicks; that is not supported.")
        self.runs = tuple(runs)
        self._first = first
        self._verdicts = np.zeros(count, np.uint8)
        self._runs = np.zeros(count, np.uint8)
        self._last = dict.fromkeys(runs, -1)

    def take(self, keys: "Sequence[_Key]", run: str) -> None:
        """Records of `decisions[p]` in log order: those of one run; later runs stand above earlier ones."""
        offsets = np.array([key.source_offset for key in keys if key.run == run], np.int64)
        codes = np.array([_CODES[key.verdict] for key in keys if key.run == run], np.uint8)
        if not len(offsets):
            return
        number, at = self.runs.index(run), offsets - self._first
        before = np.maximum.accumulate(np.concatenate(([self._last[run]], offsets[:-1])))
        new = (offsets > before) & (at >= 0) & (at < len(self._verdicts))
        at, codes = at[new], codes[new]
        above = self._runs[at] <= number
        self._verdicts[at[above]], self._runs[at[above]] = codes[above], number
        self._last[run] = max(self._last[run], int(offsets.max()))

    def reached(self, run: str) -> int:
        """The highest source offset seen of a run."""
        return self._last[run]

    def invalid(self, offsets: npt.NDArray[np.int64], logged: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Whether the verdict in force is invalid, (n,)."""
        found = self._verdicts[offsets - self._first]
        invalid: npt.NDArray[np.bool_] = np.where(found == UNKNOWN, logged, found == _CODES["invalid"])
        return invalid

    def run_of(self, offsets: npt.NDArray[np.int64]) -> list[str]:
        """Whose verdict it is, (n,)."""
        return [self.runs[number] for number in self._runs[offsets - self._first].tolist()]


class Earlier(NamedTuple):
    """A replay that has published over the span: its id, and where in `decisions[p]` its records begin at most."""

    run: str
    output_from: int


def earlier_of(replay: Replay, replays: Sequence[Replay], partition: int) -> list[Earlier]:
    """Replays of lower revisions that have published over a partition of this one, in order of revisions. Pure."""
    span = replay.job.spans[partition]
    found = []
    for other in replays:
        theirs = other.job.spans.get(partition)
        overlaps = theirs is not None and theirs.first < span.end and span.first < theirs.end
        if theirs and overlaps and other.job.publish and other.revision < replay.revision:
            found.append(Earlier(other.id, theirs.decisions_end))
    return found


def read_standing(
    consumer: Consumer, logs: Logs, partition: int, span: Span, earlier: Sequence[Earlier], first: int
) -> Standing:
    """What stands for the clicks of a span from `first` on. Raises Refused where corrections may have been lost."""
    standing = Standing(first, span.end - first, [LIVE, *(one.run for one in earlier)])
    for keys in _keys(consumer, logs, partition, Stretch(span.decisions_first, span.decisions_end)):
        standing.take(keys, LIVE)
        if standing.reached(LIVE) >= span.end - 1:
            break
    if earlier:
        end = held_in(consumer, logs.name(Topic.DECISIONS), partition).end
        corrections = Stretch(min(one.output_from for one in earlier), end)
        _check_corrections(consumer, logs, partition, corrections, earlier)
        for keys in _keys(consumer, logs, partition, corrections):
            for one in earlier:
                standing.take(keys, one.run)
    return standing


def _check_corrections(
    consumer: Consumer, logs: Logs, partition: int, stretch: Stretch, earlier: Sequence[Earlier]
) -> None:
    name = logs.name(Topic.DECISIONS)
    end = min(stretch.end, held_in(consumer, name, partition).first)
    if stretch.first < end and (lost := logs.lacking(Topic.DECISIONS, partition, stretch.first, end)):
        raise Refused(
            f"{name}[{partition}]: {listed(lost)} have expired and are not archived. Replay(s) "
            f"{', '.join(one.run for one in earlier)} have published over these clicks, and what they corrected cannot "
            "be told. `slidr replay run` without --publish and --only-changed needs no corrections."
        )


def _keys(consumer: Consumer, logs: Logs, partition: int, stretch: Stretch) -> Iterator[list[_Key]]:
    """Records of a stretch, those that Kafka no longer holds from the archive, which may lack some."""
    name, at = logs.name(Topic.DECISIONS), stretch.first
    while at < (end := min(stretch.end, held_in(consumer, name, partition).first)):
        view = logs.view(Topic.DECISIONS)
        for table in view.rows(partition, at, end, _Key.__struct_fields__) if view else ():
            yield list(map(_Key, *(table[field].to_pylist() for field in _Key.__struct_fields__)))
        at = end
    for records in read_stretch(consumer, name, partition, Stretch(at, stretch.end)):
        try:
            yield [_decode(record.value()) for record in records]  # type: ignore[arg-type]
        except (msgspec.DecodeError, TypeError) as error:  # a record without a value is None
            within = f"offsets {place(records[0])[1]} to {place(records[-1])[1]}"
            raise BadInput(f"{name}[{partition}], {within}: a record is no decision: {error}.") from error
