"""`trainlet demo-fewshot`: draw something new five times, and the device knows it."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Annotated

import typer
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

import trainlet as tl
from trainlet.cli.demo_screen import WHERE
from trainlet.cli.options import On
from trainlet.cli.screen import BAR, OUT, add_bar, bars
from trainlet.cli.stages import stages
from trainlet.demo.few_shot import BUDGET, PASSES, Taught, compile_demo, moments, teach
from trainlet.demo.few_shot_picture import draw_lesson
from trainlet.demo.handwriting import SHOTS, WAYS, Lesson, drawn_lesson, lesson_of
from trainlet.files import check_folder, filling
from trainlet.planning.report import KIB

PICTURE = "few_shot.png"
NAMES = {
    "before": "asked first", "observe": "shown five drawings of each", "ask": "asked again",
    "choose": "chooses what learns", "learn": f"learns in {PASSES} passes", "after": "asked again",
}  # fmt: skip


def demo_fewshot_command(
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="drawings of your own: a folder symbol/*.png with six drawings of a symbol or "
            "more, or the .npz of Omniglot (default: symbols that are drawn here)",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="which symbols")] = 0,
    on: On = "unicorn",
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for the results")] = Path(
        "build/demo-fewshot"
    ),
) -> None:
    """Teach an emulated microcontroller five new symbols with five drawings of each."""
    check_folder(out)
    given = drawn_lesson(seed) if data is None else lesson_of(data, seed)
    with stages("compiling the trainer"):
        program = compile_demo()
        report = program.report
    OUT.print(_opening(given, report, on))
    taught = _followed(teach(program, given, on, seed), moments(given))
    with filling(out) as part:
        draw_lesson(part / PICTURE, given, taught)
    program.write(out / "trainer")
    OUT.print(*_results(given, taught), sep="\n")
    written = f"Written to {out}/: {PICTURE}, and the C project of the trainer in trainer/"
    OUT.print(written, markup=False, soft_wrap=True)


def _opening(given: Lesson, report: tl.schemes.ChoosingReport, on: str) -> Padding:
    ram, limit = report.ram_bytes / KIB, (BUDGET.ram or 0) / KIB
    facts = (
        ("network", "four convolutions, meta-trained on other symbols"),
        ("drawings", given.source),
        ("learns from", f"{SHOTS} drawings of each of {WAYS} new symbols"),
        ("tested with", f"{len(given.test.y)} others"),
        ("device", WHERE.get(on, "this machine: the same C without limits on memory")),
        ("RAM", f"{ram:.1f} of {limit:.0f} KB, whatever it chooses"),
    )
    grid = Table.grid(padding=(0, 2))
    for row in facts:
        grid.add_row(*row)
    OUT.print("", Text("A device learns five new symbols", style="bold"))
    return Padding(grid, (1, 0, 1, 2), expand=False)


def _followed(steps: Generator[str, None, Taught], plan: dict[str, int]) -> Taught:
    with bars() as progress:
        rows = {name: add_bar(progress, NAMES[name], count) for name, count in plan.items()}
        while True:
            try:
                progress.advance(rows[next(steps)])
            except StopIteration as end:
                return end.value


def _results(given: Lesson, taught: Taught) -> tuple[Text, Padding]:
    grid = Table.grid(padding=(0, 2))
    for name, answers in (
        ("before", taught.before), ("shown once", taught.observed), ("trained", taught.learnt)
    ):  # fmt: skip
        bar = ProgressBar(1.0, answers.accuracy, BAR, complete_style="green")
        grid.add_row(name, bar, f"[bold]{answers.accuracy:.1%}[/] right")
    for name, count in taught.instructions.items():
        if count is not None:
            grid.add_row(name, f"{count:,} instructions", "")
    chosen = ", ".join(f"{len(own)} of {name}" for name, own in taught.channels.items())
    grid.add_row("chosen channels", chosen, "")
    title = Text(f"{len(given.test.y)} other drawings, as the device names them", style="bold")
    return title, Padding(grid, (1, 0, 1, 2), expand=False)
