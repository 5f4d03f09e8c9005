"""A stage of a program as a torch.fx.GraphModule of ATen operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from trainlet.backends.aten import elements, layers, sums  # noqa: F401  each fills the table
from trainlet.backends.aten.table import computed
from trainlet.errors import UnsupportedError
from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import OPS
from trainlet.planning.program import Program

DTYPES = {"float32": torch.float32, "int32": torch.int32, "uint8": torch.uint8}


@dataclass(frozen=True)
class Traced:
    """A graph that takes the values of its leaves, in order, and returns a tuple of its outputs.

    It overwrites the leaves that its updates change.
    """

    module: GraphModule
    leaves: tuple[Node, ...]
    outputs: tuple[str, ...]


def stage_module(program: Program, name: str, outputs: Sequence[str]) -> Traced:
    """A stage that returns the outputs of these names, its nodes in the order of the plan.

    Raises UnsupportedError for an int8 network, and for an operator that torch has no form of.
    """
    stage = program.stages[name]
    needed = set(stage.graph.nodes())
    order = [n for n in stage.plan.order if n in needed]
    return traced(stage.graph, order, outputs)


def traced(graph: Graph, order: Sequence[Node], outputs: Sequence[str]) -> Traced:
    """The nodes in this order, each by its function in torch; nothing is computed.

    Raises UnsupportedError as `stage_module` does.
    """
    leaves = graph.leaves()
    for n in (*leaves, *order):
        if n.type.dtype not in DTYPES:
            raise UnsupportedError(
                f"torch's targets train float32 networks, and {n!r} is not; compile without "
                "precision='int8', or for target='host'"
            )

    def run(*values: Tensor) -> tuple[Tensor, ...]:
        known = dict(zip(leaves, values, strict=True))
        written = [known[n.inputs[k]] for n in order if (k := OPS[n.op].mutates) is not None]
        for n in order:
            made = computed(n, *(known[i] for i in n.inputs))
            known[n] = made if OPS[n.op].mutates is not None else _own(n, made, written)
        return tuple(known[graph.outputs[name]] for name in outputs)

    with FakeTensorMode():
        fed = [torch.empty(n.type.shape, dtype=DTYPES[n.type.dtype]) for n in leaves]
    with torch.no_grad():
        return Traced(make_fx(run, tracing_mode="fake")(*fed), tuple(leaves), tuple(outputs))


def _own(n: Node, made: Tensor, written: list[Tensor]) -> Tensor:
    """The value, in memory of its own where a leaf that it shows is overwritten before the last
    reader of the value: the plan knows only of views that are aliases."""
    storage = made.untyped_storage()
    shown = any(leaf.untyped_storage() is storage for leaf in written)
    return made.clone() if shown and not OPS[n.op].alias else made
