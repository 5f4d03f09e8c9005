"""trainlet demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

import trainlet as tl
from trainlet.cli import demo_screen as screen
from trainlet.cli.files import filling
from trainlet.cli.options import On
from trainlet.cli.screen import ERR, OUT
from trainlet.demo.keyword_spotter import SCHEME
from trainlet.demo.personalise import (
    Learnt,
    Lesson,
    bundled_lesson,
    compile_spotter,
    exported_spotter,
    lesson,
    personalise,
    phases,
)
from trainlet.demo.pictures import draw_pictures
from trainlet.demo.speech import from_folder, from_npz
from trainlet.errors import DataError


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
        str | None, typer.Option(help="of --data (default: who has the most clips)")
    ] = None,
    on: On = "unicorn",
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for the results")] = Path(
        "build/demo"
    ),
) -> None:
    """A keyword spotter learns a new speaker on an emulated microcontroller."""
    with ERR.status("compiling the keyword spotter's trainer"):
        given = _lesson(data, speaker)
        network = exported_spotter()
        program = compile_spotter(network)
        report = program.report
    learning = sum(n.type.size for n in program.params)
    parameters = sum(p.numel() for p in network.parameters())
    OUT.print(screen.opening(given, on, learning, parameters), screen.budget(report), "")
    with filling(out) as part:
        learnt = screen.follow(personalise(program, given, on), phases(program, given), given)
        with ERR.status("drawing"):
            _fill(part, network, program, given, learnt)
    program.write(out / "trainer")
    OUT.print(screen.results(given, learnt), screen.written(out))
    OUT.print(screen.command(out, on), markup=False, soft_wrap=True)


def _lesson(data: Path | None, speaker: str | None) -> Lesson:
    if data is None:
        if speaker is not None:
            raise DataError("--speaker goes with --data; the bundled speaker is fixed")
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
    for name, speech in (("learn", given.learn), ("test", given.test)):
        np.savez(folder / f"{name}.npz", x=speech.features, y=speech.label)
