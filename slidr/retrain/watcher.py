"""Who hears how a candidate gets on."""

from model.schedule import Listener


class Watcher(Listener):
    """Hears of every step; this one does nothing."""

    def step(self, what: str) -> None:
        """A step begins that was not done yet."""

    def labelled(self, done: int, days: int) -> None:
        """So many days of so many have labels."""

    def scored(self, done: int, clicks: int) -> None:
        """So many clicks of so many have a score."""
