"""What the float32 kernels for cores with an FPU save: instructions of one training step.

The demo's DS-CNN in float32, with the demo's scheme and with every parameter learning; and, where
DATA/models/mcunet_int8/mcunet-5fps.npz is, MCUNet-5FPS in int8 with float32 gradients.  Each is
compiled twice, with the reference kernels alone and with those of the target.

    python benchmarks/float32_kernels.py --target cortex-m7
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import trainlet as tl
from trainlet.accounting.published.sparse_schemes import SCHEMES
from trainlet.demo.keyword_spotter import SCHEME, load_pretrained
from trainlet.demo.personalise import exported_spotter
from trainlet.run.counted import Profile, Row

ROOT = Path(__file__).parents[1]
TARGETS = ("cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
ROOMY = {"ram": 2048 * 1024, "flash": 1536 * 1024}
SUMS = ("conv2d", "depthwise", "linear", "matmul")
Compile = Callable[[tl.Target], tl.CompiledProgram]


def spotter(scheme: tl.UpdateScheme) -> Compile:
    """The demo's network in float32."""
    return lambda target: tl.compile(exported_spotter(), None, scheme, target=target)


def mcunet(file: Path) -> Compile:
    """Its 49 KB scheme, whose gradients are float32."""
    graph = tl.load(file, classes=10)
    scheme = SCHEMES["mcunet-5fps"]["49KB"].update_scheme
    precision = tl.Int8(gradient="float32")
    return lambda target: tl.compile(graph, None, scheme, target=target, precision=precision)


def lines(name: str, compiled: Compile, target: tl.Target) -> Iterator[str]:
    """A Markdown table: operations of float32 sums, then the whole step."""
    plain = compiled(replace(target, kernels=("reference",))).profile()
    fast = compiled(target).profile()
    yield f"\n{name} on {target.name}: instructions, per multiply-accumulate\n"
    yield "| operation | MACs | reference | | fast | |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    before = {row.op: row for row in plain.by_op()}
    for row in fast.by_op():
        if row.op.startswith(SUMS) and (row.op in SUMS or row.op.endswith(("_dx", "_dw"))):
            yield f"| {row.op} | {row.macs:,} | {_cells(before[row.op])} | {_cells(row)} |"
    yield f"| step | | {_step(plain)} | {_step(fast)} |"


def _cells(row: Row) -> str:
    return f"{row.instructions:,} | {row.instructions_per_mac:.2f}"


def _step(profile: Profile) -> str:
    report = profile.report
    beside = f"Flash {report.flash_bytes:,}, stack {report.stack_bytes:,}"
    return f"{profile.instructions_step:,} | {beside}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Instructions with and without fast kernels.")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--target", default="cortex-m7", choices=TARGETS)
    parser.add_argument("--compiler", choices=["gcc", "zig"])
    asked = parser.parse_args()
    target = replace(tl.Target.preset(asked.target), compiler=asked.compiler, **ROOMY)
    networks = {
        "DS-CNN, the demo's scheme": spotter(tl.UpdateScheme(SCHEME)),
        "DS-CNN, everything": spotter(tl.schemes.full(load_pretrained())),
    }
    file = asked.data / "models" / "mcunet_int8" / "mcunet-5fps.npz"
    if file.exists():
        networks["MCUNet-5FPS, 49 KB scheme, int8 with float32 gradients"] = mcunet(file)
    for name, compiled in networks.items():
        print("\n".join(lines(name, compiled, target)), flush=True)


if __name__ == "__main__":
    main()
