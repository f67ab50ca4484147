"""What commands print: sentences for people, one JSON object for scripts."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def print_json(value: Any) -> None:
    """One line of JSON on stdout."""
    typer.echo(msgspec.json.encode(value).decode())


def progress_bars(width: int = 0, per_s: float = 10) -> "Progress":
    """Bars on stderr, each with its count and when it will end; drawn `per_s` times a second, names `width` wide.

    Where stderr is no terminal nothing is drawn, as a bar that has stopped tells nobody anything.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    name = TextColumn(f"{{task.description:<{width}}}")
    columns = (name, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, refresh_per_second=per_s, disable=not console.is_terminal)


def stepped(progress: "Progress") -> Callable[[str, int, int], None]:
    """`told(step, total, n)`: n more of a step are done; the first word of a step draws its bar."""
    bars: dict[str, TaskID] = {}

    def told(step: str, total: int, done: int) -> None:
        if step not in bars:
            bars[step] = progress.add_task(step, total=total)
        progress.advance(bars[step], done)

    return told
