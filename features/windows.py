"""One counter: clicks of an entity in the last 1 min, 10 min, 1 h and 24 h, as of its newest click.

A window is six whole tiles and the share of a seventh that has not yet passed out of it. The tiles of the four windows
(10 s, 100 s, 600 s, 14,400 s) nest, so a click is kept once, in the finest tile whose window still reaches it:

                                                                                      newest click
    |     14,400 s     |  ...  | 600 s | 600 s | ... | 100 s | 100 s | ... |10 s|10 s|10 s|10 s|10 s|10 s|10 s|
     <---- 24 h: newest 7 ----- ... -- 1 h: newest 7 --- 10 min: newest 7 ---- 1 min: newest 7 ------------->

    clicks in a window = clicks in its newest 6 tiles + (1 - f) x clicks in its 7th, f = (newest mod tile) / tile

Where a click is kept follows from its time and the newest click's alone, and moving on to a coarser tile never mixes
clicks that have to stay apart. So a counter is a function of the *set* of its clicks, in whatever order they came: late
clicks need no rule of their own, clicks beyond the newest seven 14,400 s tiles are forgotten, and a counter left idle
for so long equals a new one. Mean error of the interpolation: 1.7 % at 60 clicks a window (Poisson).
"""

from bisect import bisect_left
from itertools import accumulate
from typing import NamedTuple

from contracts.features import NO_GAP, WINDOWS_MS

WHOLE_TILES = 6
TILE_MS = WINDOWS_MS["1m"] // WHOLE_TILES
# Length of each window's tiles, counted in the finest: 1, 10, 60, 1440.
SPANS: tuple[int, ...] = tuple(window_ms // WHOLE_TILES // TILE_MS for window_ms in WINDOWS_MS.values())
LONGEST_TILE_MS = SPANS[-1] * TILE_MS


class Counts(NamedTuple):
    """Clicks in each window, from the shortest to the longest, and the gap.

    The gap is the time in seconds between a click and the newest one before it, whichever of the two is later: a late
    click is as far from its neighbours as it would have been in time.
    """

    clicks: tuple[float, ...]
    gap_s: float


NEVER_SEEN = Counts((0.0,) * len(SPANS), NO_GAP)


def within_reach(t_ms: int, newest_ms: int) -> bool:
    """Whether the longest window's tiles, seen from `newest_ms`, still hold a click of `t_ms`."""
    return newest_ms // LONGEST_TILE_MS - t_ms // LONGEST_TILE_MS <= WHOLE_TILES


class WindowCounter:
    """Clicks by tile: `tiles` maps a tile's start (in tiles of 10 s since 1970) to its clicks, oldest first."""

    __slots__ = ("newest_ms", "tiles")

    def __init__(self, newest_ms: int = 0, tiles: dict[int, int] | None = None) -> None:
        self.newest_ms = newest_ms
        self.tiles: dict[int, int] = tiles or {}

    def count(self, t_ms: int) -> Counts:
        """Count a click; its counts, as of the newest click, with it counted.

        A late click that is no longer kept changes nothing.
        """
        gap_s = self._advance(t_ms)
        tile = t_ms // TILE_MS
        if t_ms == self.newest_ms:
            self.tiles[tile] = self.tiles.get(tile, 0) + 1
        elif within_reach(t_ms, self.newest_ms):
            start = self._start(tile)
            self.tiles[start] = self.tiles.get(start, 0) + 1
            self.tiles = dict(sorted(self.tiles.items()))
        return Counts(self._clicks(), gap_s)

    def peek(self, t_ms: int) -> Counts:
        """Counts as of `t_ms`, or of the newest click if that is later; nothing is counted."""
        copy = WindowCounter(self.newest_ms, dict(self.tiles))
        gap_s = copy._advance(t_ms)
        return Counts(copy._clicks(), gap_s)

    def forget(self, newest_ms: int) -> None:
        """Forget clicks that are out of reach seen from `newest_ms`."""
        self.tiles = {start: n for start, n in self.tiles.items() if within_reach(start * TILE_MS, newest_ms)}

    def _advance(self, t_ms: int) -> float:
        """Let time pass up to `t_ms`; seconds between it and the newest click before."""
        if t_ms < self.newest_ms:
            return (self.newest_ms - t_ms) / 1000
        before_ms, self.newest_ms = self.newest_ms, t_ms
        if t_ms // TILE_MS != before_ms // TILE_MS:
            self._coarsen()
        return (t_ms - before_ms) / 1000 if self.tiles else NO_GAP

    def _coarsen(self) -> None:
        tiles: dict[int, int] = {}
        for tile, clicks in self.tiles.items():
            if within_reach(tile * TILE_MS, self.newest_ms):
                start = self._start(tile)
                tiles[start] = tiles.get(start, 0) + clicks
        self.tiles = tiles

    def _start(self, tile: int) -> int:
        """Start of the finest tile that holds `tile` and whose window reaches it."""
        newest = self.newest_ms // TILE_MS
        for span in SPANS[:-1]:
            if newest // span - tile // span <= WHOLE_TILES:
                return tile - tile % span
        return tile - tile % SPANS[-1]

    def _clicks(self) -> tuple[float, ...]:
        starts = list(self.tiles)
        before = [0, *accumulate(self.tiles.values())]
        clicks = []
        for span in SPANS:
            tile_ms = span * TILE_MS
            seventh = (self.newest_ms // tile_ms - WHOLE_TILES) * span
            passed, passing = before[bisect_left(starts, seventh)], before[bisect_left(starts, seventh + span)]
            passed_share = (self.newest_ms % tile_ms) / tile_ms
            clicks.append((before[-1] - passing) + (1 - passed_share) * (passing - passed))
        return tuple(clicks)
