"""What fusing chains of element-wise operations into one loop could win at most.

A link is an element-wise node that only one other element-wise node of its size reads: in one loop
the value between them would need no store, no load and no loop of its own, PER_ELEMENT instructions
for each element.  Masks of one bit an element count as element-wise.  Shares are of a training step
on an emulated Cortex-M7, batch 1.

    python benchmarks/chains.py          prints a table, writes build/chains.json; ten minutes
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

import trainlet as tl
from trainlet.errors import TrainletError
from trainlet.ir.graph import Graph, users

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from zoo import NETWORKS  # noqa: E402

PER_ELEMENT = 4
"""A load, a store, a comparison and a branch."""
ROOMY = {"ram": 16 << 20, "flash": 16 << 20}
PRECISIONS = {"float32": "float32", "int8": tl.Int8(gradient="int16")}
CURVES = ("sigmoid", "tanh", "silu", "gelu", "gelu_tanh", "hard_swish")
ELEMENTWISE = {*CURVES, *(f"{name}_dx" for name in CURVES)} | set(
    "relu relu6 relu_mask relu6_mask hard_sigmoid hard_sigmoid_mask mask_dx add sub mul scale "
    "offset quantize dequantize requantize_i8 add_i8 mul_i8 clamp_mask_i8 mask_bfp add_bfp to_bfp "
    "from_bfp".split()
)


@dataclass(frozen=True)
class Counted:
    """Element-wise nodes of a training step, the links between them, their elements, and what
    fusing them could win of the step's instructions."""

    network: str
    precision: str
    scheme: str
    nodes: int
    links: int
    elements: int
    instructions: int

    @property
    def share(self) -> float:
        return PER_ELEMENT * self.elements / self.instructions


def links(graph: Graph) -> tuple[int, list[int]]:
    """How many nodes are element-wise, and the sizes of the values that links would not store."""
    nodes = [n for n in graph.nodes() if n.op in ELEMENTWISE]
    readers, asked = users(graph.nodes()), set(graph.outputs.values())
    single = [n for n in nodes if n not in asked and len(readers[n]) == 1]
    sizes = [n.type.size for n in single for r in readers[n]
             if r.op in ELEMENTWISE and r.type.size == n.type.size]  # fmt: skip
    return len(nodes), sizes


def count(name: str, precision: str, scheme: str) -> Counted:
    case = NETWORKS[name](1)
    target = replace(tl.Target.preset("cortex-m7"), **ROOMY)
    shown = [NETWORKS[name](8).x.numpy()] if precision == "int8" else None
    program = tl.compile(case.model, case.x, scheme, target=target, calibration=shown,
                         precision=PRECISIONS[precision])  # fmt: skip
    nodes, sizes = links(program.graph)
    step = program.profile("unicorn").instructions_step
    return Counted(name, precision, scheme, nodes, len(sizes), sum(sizes), step)


def measured() -> Iterator[Counted]:
    for name in NETWORKS:
        for precision in PRECISIONS:
            for scheme in ("full", "bias"):
                try:
                    yield count(name, precision, scheme)
                except TrainletError as error:
                    print(f"{name}, {precision}, {scheme}: {error}", file=sys.stderr)


def main() -> None:
    """Measure, print, write."""
    table = Table(title="Links between element-wise operations, and what fusing them could win")
    for column in ("network", "precision", "scheme"):
        table.add_column(column)
    for column in ("nodes", "links", "elements", "million instructions", "at most, %"):
        table.add_column(column, justify="right")
    found = list(measured())
    for c in found:
        table.add_row(c.network, c.precision, c.scheme, str(c.nodes), str(c.links),
                      f"{c.elements:,}", f"{c.instructions / 1e6:.2f}",
                      f"{100 * c.share:.2f}")  # fmt: skip
    Console(width=120).print(table)
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "chains.json").write_text(
        json.dumps([{**asdict(c), "share": c.share} for c in found], indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
