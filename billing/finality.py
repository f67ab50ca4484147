"""Which hours are final: what a billing reader does with the markers of `decision-markers`. Pure.

    clicks[p]     ... 96 97 98 99 │ 100 101            12:00 ends; looked at 12:05: the end is 100
    decisions[p]  ... 96 97    98 99                   once 99 is decided: marker 12:00, clicks below 100 are final
                                  └── click 100, clicked at 11:58, came late: it is billed with the hour 13:00

An hour is named by the time at which it ends. Which hour a click is billed with follows from offsets and markers alone,
so all readers agree.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping

from billing.conservation import ClickPlace
from contracts.events import LIVE, Decision, FinalityMarker
from contracts.topics import HOUR_MS


def hour_end(at_ms: int, hour_ms: int = HOUR_MS) -> int:
    """End of the hour in which a time lies; a time on the hour begins the next one."""
    return (at_ms // hour_ms + 1) * hour_ms


def ended_hour(now_ms: int, grace_ms: int, hour_ms: int = HOUR_MS) -> int:
    """The newest hour that ended `grace_ms` ago or earlier."""
    return (now_ms - grace_ms) // hour_ms * hour_ms


def live_tail(decisions: Iterable[Decision]) -> int:
    """Highest live source offset among records of one partition, -1 without any.

    A worker writes in offset order without gaps and begins behind what stands, so one live record proves that every
    click up to its offset is decided: a late repetition, too, and any part of the log will do.
    """
    return max((decision.source_offset for decision in decisions if decision.run == LIVE), default=-1)


def is_decided(clicks_end: int, tail: int, rest: Iterable[ClickPlace]) -> bool:
    """Whether all clicks below `clicks_end` are decided. `rest`: the records of `clicks` from `tail + 1` to there.

    Records that are no clicks get no decision; they may be the last ones.
    """
    return tail + 1 >= clicks_end or all(place.click_id is None for place in rest)


class Finality:
    """The markers that were read so far, by partition."""

    def __init__(self, hour_ms: int = HOUR_MS) -> None:
        self._hour_ms = hour_ms
        self._markers: dict[int, list[FinalityMarker]] = defaultdict(list)

    def apply(self, marker: FinalityMarker) -> bool:
        """Take the next record of `decision-markers[p]`, in log order; whether it counts: the first of an hour does."""
        markers = self._markers[marker.partition]
        if markers and marker.hour_ends_ms <= markers[-1].hour_ends_ms:
            return False
        markers.append(marker)
        return True

    def marker(self, partition: int, hour_ends_ms: int) -> FinalityMarker | None:
        """What closes this hour: its own marker or, if it has none, the next one; None while it is open."""
        markers = self._markers[partition]
        at = bisect_left(markers, hour_ends_ms, key=lambda found: found.hour_ends_ms)
        return markers[at] if at < len(markers) else None

    def newest(self, partition: int) -> FinalityMarker | None:
        """The newest marker that counts."""
        return next(reversed(self._markers[partition]), None)

    def final_until_ms(self, partitions: Iterable[int]) -> int | None:
        """All hours up to this one are closed in all of these partitions; None if there is none."""
        newest = [self.newest(partition) for partition in partitions]
        return min((found.hour_ends_ms for found in newest if found), default=None) if all(newest) else None

    def is_complete(self, hour_ends_ms: int, next_offsets: Mapping[int, int]) -> bool:
        """Whether a reader that stands at these offsets of `decisions` has all decisions of this hour."""
        closing = {partition: self.marker(partition, hour_ends_ms) for partition in next_offsets}
        return all(found and next_offsets[partition] >= found.decisions_end for partition, found in closing.items())

    def billed_with(self, decision: Decision) -> int | None:
        """The hour that a click is billed with: its own, or, if it came late, the one that it came in.

        None while a late click's hour is open. Of corrections, too: they go where their click went.
        """
        own = hour_end(decision.clicked_at_ms, self._hour_ms)
        closing = self.marker(decision.source_partition, own)
        if closing is None or decision.source_offset < closing.clicks_end:
            return own
        markers = self._markers[decision.source_partition]
        at = bisect_right(markers, decision.source_offset, key=lambda found: found.clicks_end)
        return markers[at].hour_ends_ms if at < len(markers) else None

    def is_credit(self, correction: Decision) -> bool:
        """Whether a correction came too late for the invoice of its hour, and is a credit or an additional charge."""
        hour = self.billed_with(correction)
        closing = None if hour is None else self.marker(correction.source_partition, hour)
        return closing is not None and correction.decided_at_ms >= closing.credit_from_ms
