"""trainlet demo."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

import trainlet as tl
from trainlet.cli import demo_screen as screen
from trainlet.cli.options import On
from trainlet.cli.screen import ERR, OUT
from trainlet.cli.stages import stages
from trainlet.demo.board import Board
from trainlet.demo.board.build import write_parts
from trainlet.demo.days import Device, Given, lived, phases, result_of
from trainlet.demo.personalise import PRECISIONS, bundled_given, compile_device, given
from trainlet.demo.pictures import draw_pictures
from trainlet.demo.speech import from_folder, from_npz
from trainlet.demo.twin import Twin
from trainlet.errors import DataError
from trainlet.files import check_folder, filling
from trainlet.ir.storage import storage


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
    """A device's life on an emulated microcontroller: it hears samples, learns a new speaker, loses
    its power, refuses wrong labels, and learns a new word."""
    check_folder(out)
    with stages(f"compiling the keyword spotter's trainer in {precision}"):
        own = _given(data, speaker)
        program = compile_device(own.factory, precision)
        report = program.report
    learning = sum(prod(storage(n).shape) for n in program.params)
    OUT.print(screen.opening(own, on, precision, learning), screen.budget(report), "")
    with _device(program, on) as device:
        plan = phases(own, device.has_flash)
        found = screen.follow(lived(device, own), plan)
    beside = _beside(own, precision, on)
    with ERR.status("drawing"), filling(out) as part:
        draw_pictures(part, program, own, found)
    program.write(out / "trainer")
    write_parts(out / "trainer")
    OUT.print(screen.results(own, found, {precision: (report, found), **beside}, on))
    OUT.print(screen.written(out))


@contextmanager
def _device(program: tl.CompiledProgram, on: str) -> Iterator[Device]:
    """The board under Unicorn; elsewhere, what its firmware does over a trainer."""
    if on == "unicorn":
        with TemporaryDirectory(prefix="trainlet-") as work:
            board = Board(program, Path(work))
            try:
                yield board
            finally:
                board.close()
        return
    with program.build(on) as trainer:
        yield Twin(trainer)


def _beside(own: Given, precision: str, on: str) -> dict[str, screen.Column]:
    """The other precision; nothing if that is int8 and torchao is not installed."""
    other = next(p for p in PRECISIONS if p != precision)
    if other == "int8" and find_spec("torchao") is None:
        return {}
    with stages(f"the same days in {other}, on this machine"):
        program = compile_device(own.factory, other)
        with program.build("host") as trainer:
            found = result_of(lived(Twin(trainer), own))
        found.instructions = _counted(program, own) if on == "unicorn" else {}
        return {other: (program.report, found)}


def _counted(program: tl.CompiledProgram, own: Given) -> dict[str, int]:
    """Instructions of a prediction and of a step, on the device."""
    clip, found = own.learn.sound[:1], {}
    with program.build("unicorn") as trainer:
        trainer.predict(clip)
        found["an inference"] = trainer.instructions or 0
        trainer.step(clip, own.learn.label[:1])
        found["a training step"] = trainer.instructions or 0
    return found


def _given(data: Path | None, speaker: str | None) -> Given:
    if data is None:
        if speaker is not None:
            raise DataError("--speaker needs --data; the bundled clips have only one speaker")
        return bundled_given()
    return given(from_folder(data) if data.is_dir() else from_npz(data), speaker)
