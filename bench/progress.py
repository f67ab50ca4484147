"""What a benchmark is doing and when it will end, on stderr."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_TURN_S = 0.1


@contextmanager
def progress() -> Iterator[Progress]:
    """One line a step, with the time that it still takes."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description:<44}"),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        TextColumn("ends in"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as shown:
        yield shown


@contextmanager
def step(shown: Progress, what: str, seconds: float) -> Iterator[Callable[[], None]]:
    """A step that takes about so many seconds. Call what it yields now and then; it waits a moment, too."""
    task = shown.add_task(what, total=seconds)
    if not shown.console.is_terminal:
        shown.console.print(f"{time.strftime('%H:%M:%S')}  {what}, about {seconds:.0f} s", highlight=False)
    started_s = time.monotonic()

    def turn() -> None:
        time.sleep(_TURN_S)
        shown.update(task, completed=min(time.monotonic() - started_s, 0.99 * seconds))

    yield turn
    shown.update(task, completed=seconds)
