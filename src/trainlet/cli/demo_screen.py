"""What `trainlet demo` shows, from top to bottom."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path

import numpy as np
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from trainlet.cli.screen import BAR, add_bar, advance, bars, note
from trainlet.demo.personalise import INT8, Learnt, Lesson
from trainlet.planning.report import KIB, Report
from trainlet.run.fit import BatchProgress

WHERE = {
    "unicorn": "Cortex-M7, emulated by Unicorn with exactly the memory below",
    "qemu": "Cortex-M7, emulated by QEMU with exactly the memory below",
}
HERE = ("host", "sanitized")
ARITHMETIC = {
    "int8": "int8, quantised just now; gradients in int16, 8 extra bits a weight",
    "float32": "float32, forward and backward",
}
PHASES = {"before": "test first", "learn": "learn", "after": "test again"}
FILES = {
    "trainer/": "the C project: trainer.h, trainer.c, an example main.c",
    "loss.svg .png": "the loss of each training step",
    "memory.svg .png": "what lies where in RAM during a step",
    "learnt.bin": "the learnt state, as trainer_save wrote it",
    "learn.npz test.npz": "the speaker's clips",
    "keyword_spotter.pt2": "the pretrained network, in float32",
    "calibration.npz": "clips that show int8 the ranges of activations",
    "scheme.toml": "which of its parameters learn",
}


def opening(given: Lesson, on: str, precision: str, learning: int, parameters: int) -> Group:
    """Who learns what from whom, and where."""
    facts = (
        ("network", "DS-CNN for 12 words, pretrained on other speakers"),
        ("learns", f"{learning:,} of its {parameters:,} parameters"),
        ("computes in", ARITHMETIC[precision]),
        ("speaker", f"{given.speaker}: {len(given.learn)} clips to learn from, "
                    f"{len(given.test)} others as the test"),
        ("device", WHERE.get(on, "this machine: the same C without limits on memory")),
    )  # fmt: skip
    title = Text("A keyword spotter learns a new speaker", style="bold")
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


def follow(
    steps: Generator[tuple[str, BatchProgress], None, Learnt],
    plan: dict[str, tuple[int, int]],
    given: Lesson,
) -> Learnt:
    """A bar for each phase, and one for all of them, weighed by their work."""
    recent: deque[float] = deque(maxlen=len(given.learn))
    with bars() as progress:
        rows = {name: add_bar(progress, PHASES[name], plan[name][0], start=False) for name in plan}
        whole = add_bar(progress, "in all", sum(count * macs for count, macs in plan.values()))
        while True:
            try:
                name, moment = next(steps)
            except StopIteration as end:
                return end.value
            recent.append(moment.loss)
            said = f"loss {np.mean(recent):.2f}" if name == "learn" else note(moment)
            advance(progress, rows[name], moment, said)
            progress.advance(whole, plan[name][1])


def results(
    given: Lesson, learnt: Learnt, columns: Mapping[str, tuple[Report, Learnt]], on: str
) -> RenderableType:
    """Accuracy before and after, and what it took: in the device's precision and the other."""
    title = f"{given.speaker}'s {len(given.test)} test clips, as the device itself heard them"
    shares = (("before", learnt.accuracy_before), ("after", learnt.accuracy_after))
    accuracy = [
        (name, ProgressBar(1.0, share, BAR, complete_style="green"), f"[bold]{share:.1%}[/] right")
        for name, share in shares
    ]
    means = np.array(learnt.losses).reshape(-1, learnt.steps_per_epoch).mean(1)
    facts = (
        ("loss", ", ".join(f"{m:.2f}" for m in means) + " (mean of each pass)"),
        ("learnt state", f"{len(learnt.state):,} bytes, loaded again before the second test"),
    )
    return Group("", Text(title, style="bold"), "", _inset(_grid(accuracy)), "",
                 _inset(_grid(facts)), "", _inset(_columns(columns, on)))  # fmt: skip


def _columns(columns: Mapping[str, tuple[Report, Learnt]], on: str) -> Table:
    """A column for each precision; the second is of this machine's build: the same bits."""
    where = ("here", "here") if on in HERE else ("on the device", "learnt here, counted there")
    table = Table("", *(f"{name}\n{place}" for name, place in zip(columns, where, strict=False)))
    for column in table.columns[1:]:
        column.justify = "right"
    rows: dict[str, Callable[[Report, Learnt], str]] = {
        "right before": lambda report, it: f"{it.accuracy_before:.1%}",
        "right after": lambda report, it: f"{it.accuracy_after:.1%}",
        "RAM": lambda report, it: f"{report.ram_bytes / KIB:.1f} KB",
        "Flash": lambda report, it: f"{(report.flash_bytes or 0) / KIB:.1f} KB",
        "a training step": lambda report, it: _instructions(it.step_instructions),
        "an inference": lambda report, it: _instructions(it.predict_instructions),
    }
    for name, cell in rows.items():
        table.add_row(name, *(cell(*column) for column in columns.values()))
    if len(columns) > 1:
        table.caption = "The same C computes the same bits on this machine and on the device."
    return table


def written(out: Path) -> Group:
    """The files, and how to go on with them."""
    title = Text(f"Written to {out}/", style="bold")
    then = Text("Go on from what it has learnt", style="bold")
    return Group("", title, "", _inset(_grid(FILES.items())), "", then, "")


def command(out: Path, on: str, precision: str) -> str:
    """A line for the shell: another lesson, from the learnt state."""
    program = "trainlet"
    if Path(sys.argv[0]).name == program and not shutil.which(program):
        program = sys.argv[0]
    net, scheme, learn, test, state = (
        shlex.quote(str(out / name))
        for name in ("keyword_spotter.pt2", "scheme.toml", "learn.npz", "test.npz", "learnt.bin")
    )
    shown = shlex.quote(str(out / "calibration.npz"))
    integer = f"      --precision int8 --gradient {INT8.gradient} --calibration {shown} \\\n"
    return (
        f"  {shlex.quote(program)} run {net} --scheme {scheme} \\\n"
        f"{integer if precision == 'int8' else ''}"
        f"      --data {learn} --test {test} --load {state} --on {on}\n"
    )


def _share(used: int | None, limit: int | None) -> tuple[RenderableType, str]:
    used, limit = used or 0, limit or 1
    share = f"{used / KIB:,.1f} of {limit / KIB:,.0f}"
    bar = ProgressBar(limit, used, BAR, complete_style="cyan")
    return bar, f"[bold]{share}[/]  {used / limit:.1%}"


def _instructions(count: int | None) -> str:
    return "not counted" if count is None else f"{count:,} instructions"


def _grid(rows: Iterable[tuple[RenderableType, ...]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    for row in rows:
        grid.add_row(*row)
    return grid


def _inset(what: RenderableType) -> Padding:
    return Padding(what, (0, 0, 0, 2), expand=False)
