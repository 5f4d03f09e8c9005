"""trainlet demo."""

from __future__ import annotations

from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

import trainlet as tl
from trainlet.cli import demo_screen as screen
from trainlet.cli.options import On
from trainlet.cli.screen import ERR, OUT
from trainlet.cli.stages import stages
from trainlet.demo.keyword_spotter import SCHEME
from trainlet.demo.personalise import (
    PRECISIONS,
    Learnt,
    Lesson,
    bundled_lesson,
    calibration_clips,
    compare,
    compile_spotter,
    exported_spotter,
    lesson,
    personalise,
    phases,
)
from trainlet.demo.pictures import draw_pictures
from trainlet.demo.speech import from_folder, from_npz
from trainlet.errors import DataError
from trainlet.files import check_folder, filling
from trainlet.ir.storage import storage
from trainlet.planning.report import Report


def demo_command(
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="your own recordings: a folder word/speaker_nohash_take.wav (16 kHz, 16 bits), "
            "or an .npz of mu-law clips",
        ),
    ] = None,
    speaker: Annotated[
        str | None, typer.Option(help="speaker in --data (default: the one with the most clips)")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="precision of the device: int8 or float32")
    ] = "int8",
    on: On = "unicorn",
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for the results")] = Path(
        "build/demo"
    ),
) -> None:
    """Train a keyword spotter on a new speaker, on an emulated microcontroller."""
    check_folder(out)
    with stages(f"compiling the keyword spotter's trainer in {precision}"):
        given = _lesson(data, speaker)
        network = exported_spotter()
        program = compile_spotter(network, precision)
        report = program.report
    learning = sum(prod(storage(n).shape) for n in program.params)
    parameters = sum(p.numel() for p in network.parameters())
    OUT.print(screen.opening(given, on, precision, learning, parameters), screen.budget(report), "")
    learnt = screen.follow(personalise(program, given, on), phases(program, given), given)
    beside = _beside(network, precision, given, on)
    with ERR.status("drawing"), filling(out) as part:
        _fill(part, network, program, given, learnt)
    program.write(out / "trainer")
    columns = {precision: (report, learnt), **beside}
    OUT.print(screen.results(given, learnt, columns, on), screen.written(out))
    OUT.print(screen.command(out, on, precision), markup=False, soft_wrap=True)


def _beside(
    network: torch.export.ExportedProgram, precision: str, given: Lesson, on: str
) -> dict[str, tuple[Report, Learnt]]:
    """The other precision; nothing if that is int8 and torchao is not installed."""
    other = next(p for p in PRECISIONS if p != precision)
    if other == "int8" and find_spec("torchao") is None:
        return {}
    with stages(f"the same lesson in {other}, on this machine"):
        program = compile_spotter(network, other)
        return {other: (program.report, compare(program, given, on))}


def _lesson(data: Path | None, speaker: str | None) -> Lesson:
    if data is None:
        if speaker is not None:
            raise DataError("--speaker needs --data; the bundled clips have only one speaker")
        return bundled_lesson()
    return lesson(from_folder(data) if data.is_dir() else from_npz(data), speaker)


def _fill(
    folder: Path,
    network: torch.export.ExportedProgram,
    program: tl.CompiledProgram,
    given: Lesson,
    learnt: Learnt,
) -> None:
    """All results but the C project."""
    draw_pictures(folder, program, given, learnt)
    (folder / "learnt.bin").write_bytes(learnt.state)
    tl.UpdateScheme(SCHEME).save(folder / "scheme.toml")
    torch.export.save(network, folder / "keyword_spotter.pt2")
    np.savez(folder / "calibration.npz", x=calibration_clips())
    for name, speech in (("learn", given.learn), ("test", given.test)):
        np.savez(folder / f"{name}.npz", x=speech.features, y=speech.label)
