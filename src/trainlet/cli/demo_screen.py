"""What `trainlet demo` shows, from top to bottom."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from trainlet.cli.screen import BAR, add_bar, bars
from trainlet.demo.board import STEPPED
from trainlet.demo.days import PASSES, TAUGHT, WRONG, Given, Lived, Steps
from trainlet.demo.speech import NEW_WORD
from trainlet.planning.report import KIB, Report

Column = tuple[Report, Lived]

WHERE = {
    "unicorn": "Cortex-M7, emulated by Unicorn with exactly the memory below",
    "qemu": "Cortex-M7, emulated by QEMU with exactly the memory below",
}
HERE = ("host", "sanitized")
ARITHMETIC = {
    "int8": "int8, quantised just now; gradients in int16, 8 extra bits a weight",
    "float32": "float32, forward and backward",
}
PHASES = {
    "before": "hear the test", "learn": "learn the speaker", "learnt": "hear it again",
    "power": "power cut", "wrong": "wrong words", "word": "a new word", "after": "hear it again",
}  # fmt: skip
FILES = {
    "trainer/": "the C project: trainer.h, trainer.c, the libraries, and the firmware life.c",
    "life.svg .png": "what the device understood from day to day",
    "loss.svg .png": "the loss of each training step",
    "memory.svg .png": "what lies where in RAM during a step",
}


def opening(given: Given, on: str, precision: str, learning: int) -> Group:
    """Who learns what from whom, and where."""
    facts = (
        ("network", "MFCC of samples at 16 kHz and DS-CNN for 12 words, pretrained on others"),
        ("learns", f"{learning:,} parameters, with an output for one more word"),
        ("computes in", ARITHMETIC[precision]),
        ("speaker", f"{given.speaker}: {len(given.learn)} clips to learn from, "
                    f"{len(given.test)} others as the test"),
        ("device", WHERE.get(on, "this machine: the same C without limits on memory")),
    )  # fmt: skip
    title = Text("A keyword spotter's life on a microcontroller", style="bold")
    return Group("", title, "", _inset(_grid(facts)), "")


def budget(report: Report) -> RenderableType:
    """RAM and Flash, of what there is."""
    parts = (report.arena_bytes, report.parameter_bytes, report.stack_bytes or 0)
    arena, trained, stack = (f"{part / KIB:.1f}" for part in parts)
    rows = (
        ("RAM, KB", *_share(report.ram_bytes, report.ram_limit)),
        ("", f"arena {arena} + trained {trained} + stack {stack}", ""),
        ("Flash, KB", *_share(report.flash_bytes, report.flash_limit)),
    )
    return _inset(_grid(rows))


def follow(steps: Steps, plan: Mapping[str, int]) -> Lived:
    """A bar for each phase, and one for all of them."""
    recent: deque[float] = deque(maxlen=48)
    with bars() as progress:
        rows = {name: add_bar(progress, PHASES[name], plan[name], start=False) for name in plan}
        whole = add_bar(progress, "in all", sum(plan.values()))
        done = dict.fromkeys(plan, 0)
        while True:
            try:
                name, moment = next(steps)
            except StopIteration as end:
                return end.value
            done[name] += 1
            if moment.kind == STEPPED:
                recent.append(moment.loss)
            progress.start_task(rows[name])
            said = f"loss {np.mean(recent):.2f}" if name in ("learn", "wrong") and recent else ""
            count = f"{done[name]}/{plan[name]}"
            progress.update(rows[name], completed=done[name], count=count, note=said)
            progress.advance(whole)


def results(given: Given, found: Lived, columns: Mapping[str, Column], on: str) -> RenderableType:
    """Accuracy from day to day, and what it took: in the device's precision and the other."""
    title = f"{given.speaker}'s {len(given.test)} test clips, as the device itself heard them"
    shares = [("before", found.before), ("after the lesson", found.learnt)]
    shares += [("at the end", found.after)]
    accuracy = [
        (name, ProgressBar(1.0, share, BAR, complete_style="green"), f"[bold]{share:.1%}[/] right")
        for name, share in shares
    ]
    return Group("", Text(title, style="bold"), "", _inset(_grid(accuracy)), "",
                 _inset(_grid(_told(given, found))), "", _inset(_columns(columns, on)))  # fmt: skip


def _told(given: Given, found: Lived) -> list[tuple[str, str]]:
    """What happened on the other days."""
    losses = np.array(found.losses).reshape(PASSES, -1).mean(1)
    told = [("lesson", "loss " + ", ".join(f"{m:.2f}" for m in losses) + " (mean of each pass)")]
    if found.survived is not None:
        survived = "there again" if found.survived else "LOST"
        told.append(("power cut", f"while it saved; the state saved before was {survived}"))
    kept = "rolled back" if found.rolled_back else "the judge let it pass"
    told.append(("wrong words", f"{WRONG} clips, each called another word: {kept}"))
    if given.word is not None:
        share = f"{found.word_before:.0%} right before, {found.word_after:.0%} after"
        told.append((f"{NEW_WORD!r}, a new word", f"said {TAUGHT} times; {share}"))
    return told


def _columns(columns: Mapping[str, Column], on: str) -> Table:
    """A column for each precision; the second is of this machine's build: the same bits."""
    where = ("here", "here") if on in HERE else ("on the device", "learnt here, counted there")
    table = Table("", *(f"{name}\n{place}" for name, place in zip(columns, where, strict=False)))
    for column in table.columns[1:]:
        column.justify = "right"
    rows: dict[str, Callable[[Report, Lived], str]] = {
        "right before": lambda report, it: f"{it.before:.1%}",
        "right after the lesson": lambda report, it: f"{it.learnt:.1%}",
        "right at the end": lambda report, it: f"{it.after:.1%}",
        "RAM": lambda report, it: f"{report.ram_bytes / KIB:.1f} KB",
        "Flash": lambda report, it: f"{(report.flash_bytes or 0) / KIB:.1f} KB",
        "a training step": lambda report, it: _instructions(it, "a training step"),
        "an inference": lambda report, it: _instructions(it, "an inference"),
        "saving": lambda report, it: _instructions(it, "saving"),
    }
    for name, cell in rows.items():
        table.add_row(name, *(cell(*column) for column in columns.values()))
    if len(columns) > 1:
        table.caption = "The same C computes the same bits on this machine and on the device."
    return table


def written(out: Path) -> Group:
    """The files."""
    title = Text(f"Written to {out}/", style="bold")
    return Group("", title, "", _inset(_grid(FILES.items())), "")


def _share(used: int | None, limit: int | None) -> tuple[RenderableType, str]:
    used, limit = used or 0, limit or 1
    share = f"{used / KIB:,.1f} of {limit / KIB:,.0f}"
    bar = ProgressBar(limit, used, BAR, complete_style="cyan")
    return bar, f"[bold]{share}[/]  {used / limit:.1%}"


def _instructions(found: Lived, call: str) -> str:
    count = found.instructions.get(call)
    return f"{count:,} instructions" if count else "not counted"


def _grid(rows: Iterable[tuple[RenderableType, ...]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for row in rows:
        grid.add_row(*row)
    return grid


def _inset(what: RenderableType) -> Padding:
    return Padding(what, (0, 0, 0, 2), expand=False)
