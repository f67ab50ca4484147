"""Session ids for files that have none. Pure."""

# Beyond so many accounts, those whose session is over are forgotten.
SESSIONS_REMEMBERED = 100_000


class Sessions:
    """Whoever comes back after a long enough gap is in a new session, named after its first click's second.

    clicks of A     x  x   x            x x
    session         A-1000 ........     A-5200 (more than the idle gap later)
    """

    def __init__(self, idle_ms: int) -> None:
        self._idle_ms = idle_ms
        self._latest: dict[str, tuple[int, str]] = {}
        self._remember = SESSIONS_REMEMBERED

    def of(self, who: str, at_ms: int) -> str:
        """Session of a click of `who` at this time; clicks come in time order, or nearly so."""
        latest_ms, session = self._latest.get(who, (None, ""))
        if latest_ms is None or abs(at_ms - latest_ms) > self._idle_ms:
            session = f"{who}-{at_ms // 1000}"
        self._latest[who] = (at_ms, session)
        if len(self._latest) > self._remember:
            self._forget(at_ms)
        return session

    def __len__(self) -> int:
        """Accounts remembered."""
        return len(self._latest)

    def _forget(self, at_ms: int) -> None:
        self._latest = {who: held for who, held in self._latest.items() if at_ms - held[0] <= self._idle_ms}
        self._remember = max(SESSIONS_REMEMBERED, 2 * len(self._latest))
