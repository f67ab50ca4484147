"""What is kept under each of a click's three keys, and how a click is counted in it.

    account    a counter; sketches of IPs and campaigns; counters of the 2 latest sessions and the 4 latest campaigns
    IP         a counter; sketches of sessions and users
    IP + UA    a counter

Three keys serve five counters, and no state grows by clicking. What is kept of IP and IP + UA is a function of the set
of their clicks, whatever the order. So is what an account answers, until a session or campaign comes back that has lost
its place to later ones: that one starts anew.
"""

from typing import NamedTuple

from features.entities import Visit
from features.sketches import QUANTUM_MS, SLOTS, DistinctSketch
from features.windows import LONGEST_TILE_MS, NEVER_SEEN, Counts, WindowCounter, within_reach

SESSIONS_KEPT = 2
CAMPAIGNS_KEPT = 4
# Enough of a digest to tell an account's few sessions or campaigns apart.
NAME_BYTES = 8


class EntityCounts(NamedTuple):
    """Counts of one entity, and the occupied slots of its two sketches: first 1 h, 24 h, second 1 h, 24 h."""

    counts: Counts
    occupied: tuple[int, int, int, int]


class AccountCounts(NamedTuple):
    """What an account's state answers to a click."""

    account: EntityCounts
    session: Counts
    campaign: Counts


NEVER_SEEN_ENTITY = EntityCounts(NEVER_SEEN, (0, 0, 0, 0))


def slot_of(digest: bytes) -> int:
    """Slot of an element in a sketch: from the digest's end, since its beginning serves as name."""
    return digest[-1] % SLOTS


class SketchedCounter:
    """A counter with two sketches of what its clicks carried."""

    __slots__ = ("counter", "sketches")

    def __init__(
        self, counter: WindowCounter | None = None, sketches: tuple[DistinctSketch, DistinctSketch] | None = None
    ) -> None:
        self.counter = counter or WindowCounter()
        self.sketches = sketches or (DistinctSketch(), DistinctSketch())

    def count(self, t_ms: int, slots: tuple[int | None, int | None]) -> EntityCounts:
        """Count a click that hits `slots` of the sketches (None: none)."""
        before = self.counter.newest_ms // QUANTUM_MS
        counts = self.counter.count(t_ms)
        newest = self.counter.newest_ms // QUANTUM_MS
        for sketch, slot in zip(self.sketches, slots, strict=True):
            if newest != before:
                sketch.advance(newest)
            if slot is not None:
                sketch.add(slot, t_ms // QUANTUM_MS, newest)
        return EntityCounts(counts, _occupied(*self.sketches, newest))

    def peek(self, t_ms: int) -> EntityCounts:
        """Answer as of `t_ms`, or of the newest click if that is later; nothing is counted."""
        newest = max(t_ms, self.counter.newest_ms) // QUANTUM_MS
        first, second = (DistinctSketch(dict(sketch.last_hit)) for sketch in self.sketches)
        first.advance(newest)
        second.advance(newest)
        return EntityCounts(self.counter.peek(t_ms), _occupied(first, second, newest))


def _occupied(first: DistinctSketch, second: DistinctSketch, newest: int) -> tuple[int, int, int, int]:
    return (*first.occupied(newest), *second.occupied(newest))


class LatestCounters:
    """Counters of an account's latest few sessions or campaigns, by name, in the order in which they got a place."""

    __slots__ = ("counters", "places")

    def __init__(self, places: int, counters: dict[bytes, WindowCounter] | None = None) -> None:
        self.places = places
        self.counters: dict[bytes, WindowCounter] = counters or {}

    def count(self, name: bytes, t_ms: int) -> Counts:
        """Count a click of `name`. A newcomer older than all who hold a place is answered, not kept."""
        counter = self.counters.get(name)
        if counter is not None:
            return counter.count(t_ms)
        newcomer = WindowCounter()
        counts = newcomer.count(t_ms)
        if len(self.counters) == self.places:
            oldest = min(self.counters, key=lambda kept: self.counters[kept].newest_ms)
            if self.counters[oldest].newest_ms > t_ms:
                return counts
            del self.counters[oldest]
        self.counters[name] = newcomer
        return counts

    def peek(self, name: bytes, t_ms: int) -> Counts:
        """Counts of `name` as of `t_ms`; nothing is counted."""
        counter = self.counters.get(name)
        return counter.peek(t_ms) if counter else NEVER_SEEN

    def forget(self, newest_ms: int) -> None:
        """Forget clicks out of reach of the account's newest, and who has none left gives up its place."""
        for counter in self.counters.values():
            counter.forget(newest_ms)
        self.counters = {name: counter for name, counter in self.counters.items() if counter.tiles}


class AccountState:
    """State of an account: itself, its latest sessions and campaigns."""

    __slots__ = ("account", "campaigns", "sessions")

    def __init__(
        self,
        account: SketchedCounter | None = None,
        sessions: dict[bytes, WindowCounter] | None = None,
        campaigns: dict[bytes, WindowCounter] | None = None,
    ) -> None:
        self.account = account or SketchedCounter()
        self.sessions = LatestCounters(SESSIONS_KEPT, sessions)
        self.campaigns = LatestCounters(CAMPAIGNS_KEPT, campaigns)

    def count(self, visit: Visit) -> AccountCounts:
        """Count a click of this account; one that its counter no longer keeps changes nothing here."""
        counter, before_ms = self.account.counter, self.account.counter.newest_ms
        if not within_reach(visit.t_ms, before_ms):
            return self.peek(visit)
        slots = (slot_of(visit.ip), slot_of(visit.campaign))
        account = self.account.count(visit.t_ms, slots)
        if counter.newest_ms // LONGEST_TILE_MS != before_ms // LONGEST_TILE_MS:
            self.sessions.forget(counter.newest_ms)
            self.campaigns.forget(counter.newest_ms)
        session = self.sessions.count(visit.session[:NAME_BYTES], visit.t_ms)
        campaign = self.campaigns.count(visit.campaign[:NAME_BYTES], visit.t_ms)
        return AccountCounts(account, session, campaign)

    def peek(self, visit: Visit) -> AccountCounts:
        """Answer as of the click's time, or of each counter's newest click if that is later; nothing is counted."""
        return AccountCounts(
            self.account.peek(visit.t_ms),
            self.sessions.peek(visit.session[:NAME_BYTES], visit.t_ms),
            self.campaigns.peek(visit.campaign[:NAME_BYTES], visit.t_ms),
        )


class IpState:
    """State of an IP."""

    __slots__ = ("ip",)

    def __init__(self, ip: SketchedCounter | None = None) -> None:
        self.ip = ip or SketchedCounter()

    def count(self, visit: Visit) -> EntityCounts:
        """Count a click from this IP; without a user it enters no sketch of users."""
        user = slot_of(visit.account) if visit.has_user else None
        return self.ip.count(visit.t_ms, (slot_of(visit.session), user))

    def peek(self, visit: Visit) -> EntityCounts:
        """Answer as of the click's time, or of the newest click if that is later; nothing is counted."""
        return self.ip.peek(visit.t_ms)
