"""Instructions, multiply-accumulates, RAM and Flash of int8 training on emulated Cortex-M.

Every published update scheme of three backbones (trainlet.accounting.published), 1x3x128x128, 10
classes, batch 1: one training step and one prediction, counted to the instruction.  Where a trainer
does not fit 256 KB of RAM and 1 MB of Flash it is counted with more memory, and its row says so.

    python benchmarks/cortex_m.py --network mcunet-5fps --scheme 49KB --target cortex-m7 --per-op
    make bench-mcu        all rows, about 10 minutes; writes build/bench-mcu.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

import trainlet as tl
from trainlet.accounting.published.sparse_schemes import SCHEMES
from trainlet.errors import TargetError
from trainlet.pictures.profile import draw_profile
from trainlet.planning.cpu import CPUS
from trainlet.run.counted import Profile, Row

ROOT = Path(__file__).parents[1]
TARGETS = ("cortex-m7", "cortex-m4", "cortex-m55")
ROOMY = {"ram": 2048 * 1024, "flash": 1536 * 1024}


@dataclass(frozen=True)
class Reference:
    """What the reference engine's own training example takes, built and counted the same way."""

    ram_bytes: int
    flash_bytes: int
    instructions_forward: int
    instructions_step: int


REFERENCE = {
    ("mcunet-5fps", "49KB", "cortex-m7"): Reference(253_700, 663_200, 65_040_000, 106_370_000)
}


@dataclass(frozen=True)
class Choices:
    """Of the int8 trainer: its gradients, bits behind each trained weight, whether the image comes
    in rows, what a step or a load that fails leaves as it was, bits of a parameter of the head."""

    gradient: Literal["float32", "int16", "int8"] = "int16"
    extra_bits: int = 4
    stream: bool | str = "auto"
    rollback: bool | str = True
    head_bits: int = 32


SMALLEST = Choices("int8", 4, True, "step", 16)
"""What takes the least RAM of what learns as well as float32 (docs/int8-accuracy.md)."""


@dataclass(frozen=True)
class Measured:
    """A trainer's figures; `fits`: within 256 KB of RAM and 1 MB of Flash."""

    network: str
    scheme: str
    target: str
    choices: Choices
    fits: bool
    profile: Profile

    @property
    def in_rows(self) -> bool:
        """Whether the image comes in rows."""
        return bool(self.profile.report.plan.streamed)

    def row(self) -> dict[str, Any]:
        """As it stands in the JSON file."""
        report, profile = self.profile.report, self.profile
        return {
            "network": self.network,
            "scheme": self.scheme,
            "target": self.target,
            **asdict(self.choices),
            "stream": self.in_rows,
            "fits": self.fits,
            "ram_bytes": report.ram_bytes,
            "flash_bytes": report.flash_bytes,
            "stack_bytes": report.stack_bytes,
            "instructions_forward": profile.instructions_predict,
            "instructions_step": profile.instructions_step,
            "cycles_step": profile.cycles_step,
            "disturbance": profile.disturbance,
            "macs_forward": report.macs_forward,
            "macs_backward": report.macs_backward,
            "ops": [
                {
                    "op": op.op,
                    "phase": op.phase,
                    "calls": op.calls,
                    "instructions": op.instructions,
                    "macs": op.macs,
                }
                for op in profile.by_op()
            ],
        }


def measure(
    network: str, scheme: str, core: str, choices: Choices, asked: argparse.Namespace
) -> Measured:
    """Compile and count one trainer."""
    graph = tl.load(asked.data / "models" / "mcunet_int8" / f"{network}.npz", classes=10)
    target = replace(tl.Target.preset(core), compiler=asked.compiler)
    if asked.plain:
        target = replace(target, kernels=("reference",))
    precision = tl.Int8(
        gradient=choices.gradient, extra_bits=choices.extra_bits, head_bits=choices.head_bits
    )

    def counted(target: tl.Target) -> Profile:
        update = SCHEMES[network][scheme].update_scheme
        program = tl.compile(graph, None, update, target=target, precision=precision,
                             stream=choices.stream, tile=asked.tile,
                             rollback=choices.rollback)  # fmt: skip
        return program.profile(cycles=asked.cycles)

    try:
        return Measured(network, scheme, core, choices, True, counted(target))
    except TargetError:
        roomy = replace(target, **ROOMY)
        return Measured(network, scheme, core, choices, False, counted(roomy))


COLUMNS = ("network", "scheme", "target", "gradient", "extra bits", "image", "RAM", "Flash",
           "stack", "forward MACs", "backward MACs", "forward instr.", "per MAC", "step instr.",
           "per MAC", "reference: RAM", "Flash", "forward", "step")  # fmt: skip


def cells(measured: Measured) -> list[str]:
    """A line of the Markdown table; instructions in millions."""
    row = measured.row()
    key = (measured.network, measured.scheme, measured.target)
    forward, step = row["instructions_forward"], row["instructions_step"]
    macs, more = row["macs_forward"], row["macs_backward"]
    chosen = measured.choices
    how = chosen.gradient, str(chosen.extra_bits), "in rows" if measured.in_rows else "whole"
    line = [*key, *how, f"{row['ram_bytes']:,}{'' if measured.fits else ' (does not fit)'}",
            f"{row['flash_bytes']:,}", f"{row['stack_bytes']:,}", f"{macs:,}", f"{more:,}",
            f"{forward / 1e6:.2f} M", f"{forward / macs:.2f}",
            f"{step / 1e6:.2f} M", f"{step / (macs + more):.2f}"]  # fmt: skip
    if key not in REFERENCE:
        return [*line, "", "", "", ""]
    other = REFERENCE[key]
    pairs = ((row["ram_bytes"], other.ram_bytes), (row["flash_bytes"], other.flash_bytes),
             (forward, other.instructions_forward), (step, other.instructions_step))  # fmt: skip
    return [*line, *(f"{ours / theirs:.2f} x" for ours, theirs in pairs)]


def operations(measured: list[Measured]) -> Iterator[str]:
    """The lines of a Markdown table for one network and target: an operation a line, a scheme a
    column; million instructions of a step, and instructions per multiply-accumulate."""
    first = measured[0]
    yield f"\n{first.network} on {first.target}, million instructions of a step (per MAC)\n"
    yield f"| phase | operation | {' | '.join(each.scheme for each in measured)} |"
    yield f"| --- | --- |{' ---: |' * len(measured)}"
    found = [{(op.phase, op.op): op for op in each.profile.by_op()} for each in measured]
    keys = sorted(set().union(*found), key=lambda key: -max(_spent(ops, key) for ops in found))
    for key in keys:
        yield f"| {key[0]} | {key[1]} | {' | '.join(_cell(ops.get(key)) for ops in found)} |"
    sums = [each.profile.instructions_step for each in measured]
    yield f"| step | | {' | '.join(f'{total / 1e6:.3f}' for total in sums)} |"


def _spent(ops: dict[tuple[str, str], Row], key: tuple[str, str]) -> int:
    return ops[key].instructions if key in ops else 0


def _cell(op: Row | None) -> str:
    if op is None:
        return ""
    per_mac = op.instructions_per_mac
    return f"{op.instructions / 1e6:.3f}" + (f" ({per_mac:.2f})" if per_mac else "")


def wanted(asked: argparse.Namespace) -> Iterator[tuple[str, str, str, Choices]]:
    """What was asked for; the M7 first, and MCUNet first; in the end the smallest trainers."""
    choices = Choices(
        asked.gradient, asked.extra_bits, asked.stream, asked.rollback, asked.head_bits
    )
    for core in asked.target or TARGETS:
        for network in asked.network or SCHEMES:
            for scheme in asked.scheme or SCHEMES[network]:
                if scheme in SCHEMES[network]:
                    yield network, scheme, core, choices
    if asked.smallest:
        for network in SCHEMES:
            yield network, "49KB", "cortex-m7", SMALLEST


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Instructions, MACs, RAM, Flash.")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--network", action="append", choices=list(SCHEMES))
    parser.add_argument("--scheme", action="append", metavar="49KB")
    parser.add_argument("--target", action="append", choices=list(CPUS))
    parser.add_argument("--per-op", action="store_true", help="a table of operations for each")
    parser.add_argument("--per-node", action="store_true", help="a table of calls for each")
    parser.add_argument("--gradient", default="int16", choices=["float32", "int16", "int8"])
    parser.add_argument("--extra-bits", type=int, default=4, choices=[0, 4, 8])
    parser.add_argument("--head-bits", type=int, default=32, choices=[32, 16])
    parser.add_argument(
        "--stream",
        action=argparse.BooleanOptionalAction,
        default="auto",
        help="whether the image comes in rows; by default where that saves RAM",
    )
    parser.add_argument(
        "--no-tile", dest="tile", action="store_false", help="whole layers, not rows"
    )
    parser.add_argument(
        "--no-rollback", dest="rollback", action="store_false", help="keep no old values"
    )
    parser.add_argument(
        "--load-twice", dest="rollback", action="store_const", const="step", default=True,
        help="no room for a second state",
    )  # fmt: skip
    parser.add_argument("--plain", action="store_true", help="the reference kernels only")
    parser.add_argument(
        "--smallest", action="store_true", help="then 49KB on the M7 with the least RAM"
    )
    parser.add_argument("--cycles", action="store_true", help="estimate them too, for --per-op")
    parser.add_argument("--compiler", choices=["gcc", "zig"])
    parser.add_argument("--picture", type=Path, help="of the last one: .svg or .png")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    return parser.parse_args()


def main() -> None:
    """Measure, print Markdown as the figures come, write."""
    asked, found, console = arguments(), [], Console(width=180)
    print("|", " | ".join(COLUMNS), "|")
    print("|", " | ".join(["---"] * 6 + ["---:"] * (len(COLUMNS) - 6)), "|", flush=True)
    for network, scheme, core, choices in wanted(asked):
        found.append(measure(network, scheme, core, choices, asked))
        print("|", " | ".join(cells(found[-1])), "|", flush=True)
        if asked.json:
            asked.json.parent.mkdir(parents=True, exist_ok=True)
            asked.json.write_text(json.dumps([each.row() for each in found], indent=1) + "\n")
    for _, group in groupby(found, lambda each: (each.target, each.network)):
        print("\n".join(operations(list(group))))
    for each in found:
        for nodes in [False] * asked.per_op + [True] * asked.per_node:
            console.print(f"\n{each.network}, {each.scheme} scheme")
            console.print(each.profile.table(nodes))
    if asked.picture and found:
        draw_profile(found[-1].profile, asked.picture)


if __name__ == "__main__":
    main()
