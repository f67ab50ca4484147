"""What the sentinel remembers of live clicks: counts in slices and minutes, by release. A value that can be stored.

    minutes of A    |######################|                   kept as they were when B took over: what was usual
    minutes of B                           |#########          the last `window_min` of them are judged
    stream time     -------------------------------->          newest click; no clock

Bounded: an hour of minutes and two days of hours for each of a few releases, eight days of volumes.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeVar

from msgspec import Struct, field

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
MINUTES_KEPT: Final = 60
HOURS_KEPT: Final = 48
VOLUME_HOURS_KEPT: Final = 8 * 24
RELEASES_KEPT: Final = 6


class Counts(Struct, array_like=True):
    """Clicks of one slice in one minute, decided by one release.

    `paired`: those that a shadow judged too; it held `shadow_invalid` of them invalid. `newly`: valid by the shadow
    and invalid by the release; `restored`: the other way round. `ruled`: held invalid by the shadow, and a rule fired.
    """

    clicks: int = 0
    invalid: int = 0
    paired: int = 0
    shadow_invalid: int = 0
    newly: int = 0
    restored: int = 0
    ruled: int = 0

    def plus(self, other: "Counts") -> "Counts":
        """Both together."""
        return Counts(
            self.clicks + other.clicks,
            self.invalid + other.invalid,
            self.paired + other.paired,
            self.shadow_invalid + other.shadow_invalid,
            self.newly + other.newly,
            self.restored + other.restored,
            self.ruled + other.ruled,
        )


class Tail(Struct, array_like=True):
    """Clicks of one slice in one hour that say more: those of busy sessions, and those that led to a purchase."""

    busy: int = 0
    busy_invalid: int = 0
    purchasing: int = 0
    purchasing_invalid: int = 0

    def plus(self, other: "Tail") -> "Tail":
        """Both together."""
        return Tail(
            self.busy + other.busy,
            self.busy_invalid + other.busy_invalid,
            self.purchasing + other.purchasing,
            self.purchasing_invalid + other.purchasing_invalid,
        )


T = TypeVar("T")
Minutes = dict[int, dict[str, Counts]]
Hours = dict[int, dict[str, Tail]]


class Summary(NamedTuple):
    """Clicks decided by `version`, `shadow` beside it (None: nothing was), by minute and hour since 1970 and slice.

    `first_ms` and `last_ms` are when they were clicked, a few outliers left out.
    """

    version: str
    shadow: str | None
    first_ms: int
    last_ms: int
    minutes: Minutes
    hours: Hours


class Seen(Struct):
    """Clicks decided by one release. `first_ms`: when that began; `shadow`: what it is paired with since."""

    first_ms: int
    newest_ms: int
    shadow: str | None = None
    minutes: Minutes = field(default_factory=dict)
    hours: Hours = field(default_factory=dict)


class State(Struct):
    """All that judgement depends on besides releases and limits.

    `event_offset`: the event that put the active release in force; `were_active`: releases that were before, too.
    `newest_ms`: stream time. `volumes`: clicks by hour since 1970 and slice. `purchase_ms`: newest purchase (stream
    time at the start before there is any); `clicks_since_purchase`: clicks that have come since.
    """

    newest_ms: int = 0
    event_offset: int = -1
    were_active: list[str] = field(default_factory=list)
    releases: dict[str, Seen] = field(default_factory=dict)
    volumes: dict[int, dict[str, int]] = field(default_factory=dict)
    purchase_ms: int = 0
    clicks_since_purchase: int = 0

    def put_in_force(self, version: str, event_offset: int) -> None:
        """The event at `event_offset` put `version` in force. What it decided an earlier time is forgotten.

        Its first decisions may have been counted before the event is heard of: a release that is new keeps them.
        """
        if event_offset != self.event_offset and version in self.were_active:
            self.releases.pop(version, None)
        self.event_offset = event_offset
        known = [one for one in self.were_active if one in self.releases and one != version]
        self.were_active = [*known, version]

    def fold(self, summary: Summary) -> None:
        """Count clicks."""
        self.purchase_ms = self.purchase_ms or summary.first_ms
        self.newest_ms = max(self.newest_ms, summary.last_ms)
        seen = self.releases.setdefault(summary.version, Seen(summary.first_ms, summary.last_ms))
        seen.newest_ms = max(seen.newest_ms, summary.last_ms)
        if summary.shadow is not None and summary.shadow != seen.shadow:  # another pair, counted anew
            seen.shadow, seen.first_ms, seen.minutes = summary.shadow, summary.first_ms, {}
        for minute, slice_, counts in _each(summary.minutes):
            into = seen.minutes.setdefault(minute, {})
            into[slice_] = into.get(slice_, Counts()).plus(counts)
            volume = self.volumes.setdefault(minute // 60, {})
            volume[slice_] = volume.get(slice_, 0) + counts.clicks
            self.clicks_since_purchase += counts.clicks
        for hour, slice_, tail in _each_tail(summary.hours):
            self._add_tail(seen, hour, slice_, tail)
        self._forget(seen)

    def purchased(self, at_ms: Iterable[int]) -> None:
        """Hear of purchases. One that is older than those known before is no news; none can be ahead of the clicks."""
        newest_ms = max((min(one, self.newest_ms) for one in at_ms), default=0)
        if newest_ms > self.purchase_ms:
            self.purchase_ms, self.clicks_since_purchase = newest_ms, 0

    def purchasing(self, version: str, hour: int, slice_: str, invalid: bool) -> None:
        """Count a click of that hour, decided by `version`, as one that led to a purchase."""
        if version in self.releases:
            self._add_tail(self.releases[version], hour, slice_, Tail(0, 0, 1, int(invalid)))

    def window(self, version: str, window_ms: int) -> tuple[dict[str, Counts], float]:
        """Counts by slice of the newest minutes decided by `version`, and the seconds that they took."""
        seen = self.releases.get(version)
        if seen is None:
            return {}, 0.0
        from_minute = (self.newest_ms - window_ms) // MINUTE_MS
        found = _summed(slices for minute, slices in seen.minutes.items() if minute >= from_minute)
        return found, max(0, self.newest_ms - max(from_minute * MINUTE_MS, seen.first_ms)) / 1000

    def last_hour_of(self, version: str) -> tuple[dict[str, Counts], float]:
        """Counts by slice of the last minutes that `version` decided, at most an hour, and the seconds of these."""
        seen = self.releases.get(version)
        if seen is None or not seen.minutes:
            return {}, 0.0
        since_ms = max(seen.first_ms, min(seen.minutes) * MINUTE_MS)
        return _summed(seen.minutes.values()), (seen.newest_ms - since_ms) / 1000

    def tails(self, version: str, from_ms: int, to_ms: int) -> dict[str, Tail]:
        """By slice, the hours of `version` that lie within a time whole."""
        seen, found = self.releases.get(version), dict[str, Tail]()
        for hour, slice_, tail in _each_tail(seen.hours if seen else {}):
            if from_ms <= hour * HOUR_MS and (hour + 1) * HOUR_MS <= to_ms:
                found[slice_] = found.get(slice_, Tail()).plus(tail)
        return found

    def _add_tail(self, seen: Seen, hour: int, slice_: str, tail: Tail) -> None:
        into = seen.hours.setdefault(hour, {})
        into[slice_] = into.get(slice_, Tail()).plus(tail)

    def _forget(self, seen: Seen) -> None:
        """Drop what is too old to be asked for."""
        _drop(seen.minutes, seen.newest_ms // MINUTE_MS - MINUTES_KEPT)
        _drop(seen.hours, self.newest_ms // HOUR_MS - HOURS_KEPT)
        _drop(self.volumes, self.newest_ms // HOUR_MS - VOLUME_HOURS_KEPT)
        while len(self.releases) > RELEASES_KEPT:
            del self.releases[min(self.releases, key=lambda version: self.releases[version].newest_ms)]


def _each(minutes: Minutes) -> Iterator[tuple[int, str, Counts]]:
    return ((minute, slice_, counts) for minute, slices in minutes.items() for slice_, counts in slices.items())


def _each_tail(hours: Hours) -> Iterator[tuple[int, str, Tail]]:
    return ((hour, slice_, tail) for hour, slices in hours.items() for slice_, tail in slices.items())


def _summed(minutes: Iterable[dict[str, Counts]]) -> dict[str, Counts]:
    found: dict[str, Counts] = {}
    for slices in minutes:
        for slice_, counts in slices.items():
            found[slice_] = found.get(slice_, Counts()).plus(counts)
    return found


def _drop(kept: dict[int, T], before: int) -> None:
    for old in [key for key in kept if key < before]:
        del kept[old]
