"""trainlet search."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from trainlet.cli.losses import DEFAULT_LOSS, terms_of
from trainlet.cli.options import (
    NO_FACTORS,
    BiasBits,
    Calibration,
    ExtraBits,
    Factors,
    FloatHead,
    Gradient,
    HeadBits,
    LossTerms,
    Net,
    OptimizerName,
    PrecisionName,
    Request,
    Target,
)
from trainlet.cli.screen import ERR, OUT
from trainlet.cli.stages import stages
from trainlet.errors import DataError
from trainlet.files import check_file, write_text
from trainlet.ir.npz import read_npz
from trainlet.ir.scheme import LEADING, RULES
from trainlet.passes.presets import PRESETS
from trainlet.schemes.contribution import RATES, Contribution, contribution
from trainlet.schemes.layers import Choice
from trainlet.schemes.planned_search import CONFIRMED, Found, check_budget, search
from trainlet.schemes.study import by_group

UNITS = {"": 1 << 10, "K": 1 << 10, "M": 1 << 20}
MEASURED = ".measured.jsonl"


def _size(text: str) -> int:
    """Bytes of a size such as 128K or 1M; a plain number is of KB."""
    match = re.fullmatch(r"(\d{1,9})([kKmM]?)[bB]?", str(text))
    if not match or not int(match[1]):
        raise typer.BadParameter(f"{text!r}; allowed: a size such as 128K or 1M")
    return int(match[1]) * UNITS[match[2].upper()]


def search_command(
    net: Net,
    data: Annotated[
        Path,
        typer.Option(
            metavar="NPZ",
            help="examples, in arrays x and y; with an array group (person, device) each group "
            "learns alone",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="scheme to write")],
    target: Target = "cortex-m7",
    ram: Annotated[
        int | None,
        typer.Option(metavar="SIZE", parser=_size, help="limit, such as 128K (default: target's)"),
    ] = None,
    flash: Annotated[
        int | None,
        typer.Option(metavar="SIZE", parser=_size, help="limit, such as 1M (default: target's)"),
    ] = None,
    instructions: Annotated[
        int | None, typer.Option(min=1, help="limit on the instructions of a training step")
    ] = None,
    measured: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"keeps every measurement; an interrupted search continues from there (default: "
            f"the scheme's name with {MEASURED})",
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="draw the gains: an .svg or .png file")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="passes over the data of a run")] = 5,
    seeds: Annotated[int, typer.Option(min=1, help="runs of each measurement (of each group)")] = 3,
    rate: Annotated[
        list[float] | None,
        typer.Option(help=f"learning rates to try (default: {', '.join(map(str, RATES))})"),
    ] = None,
    confirm: Annotated[
        int, typer.Option(min=1, help="so many of the best schemes that fit learn for real")
    ] = CONFIRMED,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="processes (default: one for each core)")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="measure on a Ray cluster instead; or local"),
    ] = None,
    channels: Annotated[
        str,
        typer.Option(help=f"which channels of a weight a share is: {', '.join(RULES)}"),
    ] = LEADING,
    optimizer: OptimizerName = "sgd",
    factor: Factors = NO_FACTORS,
    loss: LossTerms = DEFAULT_LOSS,
    precision: PrecisionName = None,
    calibration: Calibration = None,
    gradient: Gradient = None,
    extra_bits: ExtraBits = None,
    bias_bits: BiasBits = None,
    head_bits: HeadBits = None,
    float_head: FloatHead = None,
) -> None:
    """Measure what each part of a network gains when it learns, and choose what fits."""
    asked = Request(
        net, next(iter(PRESETS)), target, None, None, optimizer, None, loss, 1,
        precision=precision, calibration=calibration, gradient=gradient, extra_bits=extra_bits,
        bias_bits=bias_bits, head_bits=head_bits, float_head=float_head, factor=factor,
    )  # fmt: skip
    kept = out.with_suffix(MEASURED) if measured is None else measured
    for path in (out, kept, picture):
        check_file(path)
    examples, place = _examples(data), asked.target_device()
    try:
        with stages(f"measuring {net}"):
            found = contribution(
                net, examples, precision=asked.arithmetic(), calibration=asked.shown(),
                loss=terms_of(loss), optimizer=asked.make_optimizer(), rates=tuple(rate or RATES),
                epochs=epochs, seeds=seeds, channels=channels, file=kept, jobs=jobs, ray=ray,
                measure=False,
            )  # fmt: skip
            check_budget(found, place, ram, flash, instructions)
            best = search(
                found.measure(), target=place, ram=ram, flash=flash, instructions=instructions,
                confirm=confirm,
            )  # fmt: skip
    except KeyboardInterrupt:
        if kept.exists():
            said = f"what was measured is in {kept}; the same command continues from there"
            ERR.print(said, markup=False, soft_wrap=True)
        raise
    write_text(out, best.scheme.to_toml())
    if picture is not None:
        from trainlet.pictures.contribution import draw_contribution

        draw_contribution(found, picture)
    OUT.print(_table(best, found))
    OUT.print(f"{len(best.scheme)} parameters learn: {out}", markup=False, soft_wrap=True)


def _examples(path: Path) -> object:
    arrays = read_npz(path)
    if "group" not in arrays:
        arrays = read_npz(path, ("x", "y"))
        return arrays["x"], arrays["y"]
    arrays = read_npz(path, ("x", "y", "group"))
    sizes = {name: array.shape[:1] for name, array in arrays.items()}
    if len(set(sizes.values())) != 1 or arrays["group"].ndim != 1:
        raise DataError(f"{path}: x, y and group have shapes "
                        f"{[array.shape for array in arrays.values()]}; allowed: one row of each "
                        "for every example, group in one dimension")  # fmt: skip
    return by_group(arrays["x"], arrays["y"], arrays["group"])


def _table(best: Found, found: Contribution) -> Table:
    alone = float(found.accuracy(Choice()).mean())
    table = Table("", "")
    table.columns[1].justify = "right"
    runs = len(found.measurements.study.runs)
    table.add_row("the classifier alone", f"{alone:.1%}")
    table.add_row("sum of the gains", f"{100 * best.predicted:+.1f} points")
    table.add_row(f"measured, {runs} runs", f"{best.accuracy:.1%} +- {100 * best.spread:.1f}")
    table.add_row("learning rate", f"{best.rate:g}")
    table.add_row("RAM", f"{best.ram_bytes:,} bytes")
    table.add_row("Flash without code", f"{best.flash_bytes:,} bytes")
    if best.instructions is not None:
        table.add_row("instructions of a step", f"{best.instructions:,}")
    table.add_row("planned, of those estimated", f"{best.planned} of {best.considered}")
    return table
