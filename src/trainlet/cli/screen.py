"""What all commands look like: where they print, their bars, their one way to report an error."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.segment import Segments
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from trainlet.errors import TrainletError
from trainlet.interrupt import Terminated, exit_code
from trainlet.ir.printable import printable
from trainlet.run.fit import BatchProgress

OUT = Console(highlight=False)
ERR = Console(highlight=False, stderr=True)
ERROR, FAULT = 1, 70
USAGE: Any = typer.BadParameter.__base__  # a wrong option; typer says it
BAR = 36  # characters
WIDEST = 1000


class Commands(TyperGroup):
    """Commands that end with one message on stderr, and without a traceback.

    Exit codes: 0 done, 1 an error that the message explains, 2 wrong usage, 70 a fault of
    Trainlet, 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
    """

    def invoke(self, ctx):  # pyright: ignore
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _warned
                return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            ERR.print(f"ended by {stop}" if isinstance(stop, Terminated) else "interrupted")
            ctx.exit(exit_code(stop))
        except (typer.Exit, typer.Abort, USAGE, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            own = isinstance(error, (TrainletError, MemoryError))
            ERR.print(Text.assemble(("error: ", "bold red"), _said(error)), soft_wrap=True)
            ctx.exit(ERROR if own else FAULT)


def _said(error: Exception) -> str:
    if isinstance(error, TrainletError):
        return _lines(str(error))
    if isinstance(error, MemoryError):
        return "this machine does not have enough memory for that"
    return (
        f"an error in Trainlet itself, {type(error).__name__}: {_lines(str(error))}; "
        "please report it with what `trainlet --debug ...` prints"
    )


def _warned(message: Warning | str, *_: Any) -> None:
    """A warning without the line of Python that gives it."""
    ERR.print(Text.assemble(("warning: ", "bold yellow"), _lines(str(message))), soft_wrap=True)


def _lines(text: str) -> str:
    """The text, whose names come from files, without what a terminal obeys."""
    return "\n".join(map(printable, text.split("\n")))


def print_whole(table: Table) -> None:
    """As wide as it needs to be: a narrow terminal wraps its lines, and a pipe loses nothing."""
    room = OUT.options.update(width=WIDEST)
    room = room.update(width=Measurement.get(OUT, room, table).maximum)
    OUT.print(Segments(OUT.render(table, room)), soft_wrap=True)


def bars(console: Console = OUT) -> Progress:
    """Progress bars with a note each; they say how long it takes still, then how long it took."""
    return Progress(
        TextColumn("  {task.description}"),
        BarColumn(BAR, complete_style="yellow"),
        TextColumn("{task.fields[count]}", justify="right"),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[note]}"),
        console=console,
    )


def add_bar(progress: Progress, name: str, total: int | None = None, start: bool = True) -> TaskID:
    return progress.add_task(name, start=start, total=total, count="", note="")


def advance(progress: Progress, bar: TaskID, moment: BatchProgress, said: str) -> None:
    """Move a bar to the moment."""
    progress.start_task(bar)
    count = f"{moment.done}/{moment.total}"
    progress.update(bar, completed=moment.done, total=moment.total, count=count, note=said)


def watch(progress: Progress, name: str, moments: Iterable[BatchProgress]) -> list[BatchProgress]:
    """Show the moments on a bar of their own as they come; returns them all."""
    seen, bar = [], add_bar(progress, name)
    for moment in moments:
        seen.append(moment)
        advance(progress, bar, moment, note(moment))
    return seen


def note(moment: BatchProgress) -> str:
    """What is worth saying beside a bar."""
    if moment.accuracy is None:
        return f"loss {moment.loss:.3g}"
    return f"{moment.accuracy:.1%} right"
