"""The sentinel: reads what was decided and bought, judges the release in force, and takes it back when it must.

    feature-log ──► rows ──► counts by slice and minute ──► judge ──► model-releases (rollback, end of a watch)
    purchases ────► the clicks that they name ──┘              ▲
    model-releases ──► what is in force ───────────────────────┘
    sentinel-state ◄── counts and positions, in one record

Two sentinels may run: both come to the same action, and of two events that replace the same one the first counts.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol

import msgspec
import structlog
from confluent_kafka import Message

from contracts.errors import Refused, SlidrError
from contracts.events import Purchase, ReleaseEvent
from contracts.verdicts import SliceBands
from guardrails.sentinel.judge import Action, InForce, Judgement, judge
from guardrails.sentinel.limits import SentinelLimits
from guardrails.sentinel.state import HOUR_MS, State
from streams.recent_clicks import RecentClicks
from streams.release_log import Entry, in_force, last_stable
from streams.sentinel_rows import Sources, rows_of, summary_of
from streams.sentinel_store import Saved, SentinelStore
from streams.topic_reader import TopicReader

log = structlog.get_logger()
BY: Final = "sentinel"
# Without a saved state: so much is read to know what is usual, by Kafka's time.
FIRST_READ_MS: Final = 2 * HOUR_MS
JUDGE_EVERY_S: Final = 1.0
LOOK_EVERY_S: Final = 2.0
SAVE_EVERY_S: Final = 10.0
_decode_purchase = msgspec.json.Decoder(Purchase).decode


class Releases(Protocol):
    """The release log, as far as the sentinel needs it: see `streams.release_admin.ReleaseLog`."""

    def history(self) -> list[Entry]:
        """All events, oldest first."""

    def append(self, event: ReleaseEvent) -> int:
        """Write an event and return its offset; raises Refused if another was first."""


class Report(NamedTuple):
    """A judgement, and what came of its action (None: there was none)."""

    judgement: Judgement
    outcome: str | None


class Now(NamedTuple):
    """What the clocks show: `wall_ms` stands in events, `monotonic_s` says when to look, judge and save."""

    wall_ms: int
    monotonic_s: float


class Sentinel:
    """One sentinel. `expected(version)` are the bands of a release's manifest; it may raise SlidrError.

    With `dry_run` nothing is written, neither events nor state.
    """

    def __init__(
        self,
        clicks: TopicReader,
        purchases: TopicReader,
        releases: Releases,
        store: SentinelStore,
        expected: Callable[[str], dict[str, SliceBands]],
        default: str,
        limits: SentinelLimits,
        *,
        dry_run: bool = False,
    ) -> None:
        self._clicks, self._purchases = clicks, purchases
        self._releases, self._store, self._expected = releases, store, expected
        self._default, self._limits, self._dry_run = default, limits, dry_run
        self._recent = RecentClicks(round(limits.maturity_h * HOUR_MS))
        self._sources = Sources({}, {})
        self._in_force = InForce(default, None, default, False, -1)
        self._looked_s = self._judged_s = self._saved_s = float("-inf")
        self._news = False
        self.state = State()

    def start(self, now: Now) -> None:
        """Take up the saved state, or read the last two hours. Raises Unavailable, Misconfigured."""
        saved = self._store.load()
        if saved:
            self.state = saved.state
            self._sources = Sources(saved.source_offsets, saved.clicks_topic_ids)
        since_ms = now.wall_ms - FIRST_READ_MS
        self._clicks.start(saved.feature_log if saved else None, since_ms)
        self._purchases.start(saved.purchases if saved else None, since_ms)
        self._look(now)
        self._saved_s = now.monotonic_s

    @property
    def left(self) -> int:
        """Records to be read before the first judgement."""
        return self._clicks.left + self._purchases.left

    def step(self, now: Now, wait_s: float = 0.1) -> Report | None:
        """Take in what has arrived, and judge if it is time. Raises Unavailable, Misconfigured."""
        self._count(self._clicks.read(wait_s))
        if not self._clicks.left:  # a purchase names a click that was decided before
            self._hear(self._purchases.read(0))
        if now.monotonic_s - self._looked_s >= LOOK_EVERY_S:
            self._look(now)
        report = self._judged(now) if self._is_due(now) else None
        if now.monotonic_s - self._saved_s >= SAVE_EVERY_S:
            self.save(now)
        return report

    def save(self, now: Now) -> None:
        """Write counts and positions as one record."""
        self._saved_s = now.monotonic_s
        if not self._dry_run:
            sources, positions = self._sources, (self._clicks.positions, self._purchases.positions)
            self._store.save(Saved(self.state, *positions, sources.offsets, sources.topic_ids))

    def close(self) -> None:
        """Give back the connections."""
        self._clicks.close()
        self._purchases.close()

    def _count(self, messages: Iterable[Message]) -> None:
        for rows in rows_of(messages, self._sources, self._limits.busy_over):
            self.state.fold(summary_of(rows))
            self._recent.add(rows, self.state.newest_ms)
            self._news = True

    def _hear(self, messages: Iterable[Message]) -> None:
        """Purchases that cannot be read are left out: the archive counts them."""
        purchases = []
        for message in messages:
            try:
                purchases.append(_decode_purchase(message.value() or b""))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
        self.state.purchased(purchase.purchased_at_ms for purchase in purchases)
        for purchase in purchases:
            if purchase.click_id and (click := self._recent.take(purchase.click_id, purchase.purchased_at_ms)):
                self.state.purchasing(click.version, click.hour, click.slice, click.invalid)

    def _is_due(self, now: Now) -> bool:
        return self._news and not self.left and now.monotonic_s - self._judged_s >= JUDGE_EVERY_S

    def _judged(self, now: Now) -> Report:
        self._judged_s, self._news = now.monotonic_s, False
        judgement = judge(self.state, self._in_force, self._limits)
        return Report(judgement, self._act(judgement.action, now) if judgement.action else None)

    def _act(self, action: Action, now: Now) -> str:
        """Do it, unless only reports are wanted or another event was first; what came of it."""
        what = f"{action.action} {action.version}" if action.version else "end of the shadow"
        if self._dry_run:
            return f"dry run: {what} was not written"
        replaces = self._in_force.offset
        event = ReleaseEvent(action.action, action.version, replaces, now.wall_ms, BY, action.reason)
        try:
            outcome = f"{what} is event {self._releases.append(event)}"
        except Refused as refused:
            outcome = str(refused)
        self._look(now)
        return outcome

    def _look(self, now: Now) -> None:
        """What is in force now, and partitions that were added."""
        history = self._releases.history()
        active, shadow, offset = in_force(history, self._default)
        self._news |= offset != self._in_force.offset
        changes = [entry for entry in history if entry.after.active != entry.before.active]
        self.state.put_in_force(active, changes[-1].offset if changes else -1)
        self._in_force = InForce(
            active=active,
            shadow=shadow,
            last_stable=last_stable(history),
            promoted=bool(changes) and changes[-1].event.action == "promote",
            offset=offset,
            expected=self._bands(active),
        )
        self._clicks.take_up_new_partitions()
        self._purchases.take_up_new_partitions()
        self._looked_s = now.monotonic_s

    def _bands(self, version: str) -> dict[str, SliceBands]:
        if version == self._in_force.active and self._in_force.expected:
            return self._in_force.expected
        try:
            return self._expected(version)
        except SlidrError as error:
            log.warning("what is expected of the release is not known", version=version, why=str(error))
            return {}
