"""The stages of a compilation on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from trainlet.cli import screen
from trainlet.ir.printable import printable
from trainlet.progress import listening


@contextmanager
def stages(title: str) -> Iterator[None]:
    """Show the stages of the block as they come, with a bar each and the time it took; they
    disappear with the block.  Where stderr is no terminal, nothing is shown."""
    if not screen.ERR.is_terminal:
        yield
        return
    with _progress(title) as progress:
        rows: dict[str, TaskID] = {}
        last: list[str] = []

        def show(name: str, done: int, total: int) -> None:
            if last and last[-1] != name:
                progress.update(rows[last[-1]], total=1, completed=1)
                progress.stop_task(rows[last[-1]])
            if name not in rows:
                rows[name] = progress.add_task(name, total=None)
            elif last[-1] != name:
                progress.reset(rows[name], total=None)
            if total:
                progress.update(rows[name], total=total, completed=done)
            last[:] = [name]

        with listening(show):
            yield


def _verbatim(text: str) -> str:
    """The text as a column's format shows it."""
    return printable(text).replace("{", "{{").replace("}", "}}")


def _progress(title: str) -> Progress:
    return Progress(
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description:<14}"),
        BarColumn(screen.BAR, complete_style="yellow", finished_style="dim"),
        TimeElapsedColumn(),
        TextColumn(_verbatim(title), style="dim", markup=False),
        console=screen.ERR,
        transient=True,
    )
