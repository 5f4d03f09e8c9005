"""A graph of ours as a torch.fx.GraphModule of ATen operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from trainlet.backends.aten import elements, layers, sums  # noqa: F401  each fills the table
from trainlet.backends.aten.direct import direct_updates
from trainlet.backends.aten.table import computed
from trainlet.errors import UnsupportedError
from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import OPS

DTYPES = {"float32": torch.float32, "int32": torch.int32, "uint8": torch.uint8}


@dataclass(frozen=True)
class Placement:
    """Where tensors lie, and the type of those that are float32 in the graph.

    Single numbers, such as the learning rate, stay float32.
    """

    device: torch.device
    floats: torch.dtype = torch.float32

    def dtype(self, n: Node) -> torch.dtype:
        """Raises UnsupportedError for a node of an int8 network, and for int16 samples."""
        if n.type.dtype not in DTYPES:
            raise UnsupportedError(
                f"torch's targets train float32 networks, and {n!r} is not; compile without "
                "precision='int8' and for float32 samples, or for target='host'"
            )
        return self.floats if n.type.dtype == "float32" and n.type.rank else DTYPES[n.type.dtype]

    def tensor(self, n: Node, value: Any) -> Tensor:
        """A new tensor of a leaf's value."""
        return torch.tensor(np.asarray(value), device=self.device).to(self.dtype(n))

    def empty(self, n: Node) -> Tensor:
        """A tensor of a leaf's shape and type, for compilers that look at no values."""
        return torch.empty(n.type.shape, dtype=self.dtype(n), device=self.device)


@dataclass(frozen=True)
class Traced:
    """A graph that takes the values of its leaves, in order, and returns a tuple of its outputs.

    It overwrites the leaves that its updates change.  Constants are buffers of the module.
    """

    module: GraphModule
    leaves: tuple[Node, ...]
    outputs: tuple[str, ...]
    placement: Placement


def traced(
    graph: Graph, order: Sequence[Node], outputs: Sequence[str], constants: Mapping[str, Tensor],
    placement: Placement,
) -> Traced:  # fmt: skip
    """The nodes in this order, each by its function in torch; nothing is computed.

    constants: the values of the leaves that are part of the module
    Raises UnsupportedError for an int8 network, and for an operator that torch has no form of.
    """
    leaves, direct = graph.leaves(), direct_updates(order)
    gone = set[Node]().union(*(update.gone for update in direct.values()))
    for n in order:
        placement.dtype(n)

    def run(*values: Tensor) -> tuple[Tensor, ...]:
        known = dict(zip(leaves, values, strict=True))
        written = [known[n.inputs[k]] for n in order if (k := OPS[n.op].mutates) is not None
                   and n.inputs[k].is_leaf]  # fmt: skip
        for n in order:
            if n in gone:
                continue
            if n in direct:
                known[n] = direct[n].apply(known)
                continue
            made = computed(n, *(known[i] for i in n.inputs))
            if made.is_floating_point():
                made = made.to(placement.dtype(n))
            known[n] = made if OPS[n.op].mutates is not None else _own(n, made, written)
        return tuple(known[graph.outputs[name]] for name in outputs)

    with FakeTensorMode():
        fed = [placement.empty(n) for n in leaves]
    with torch.no_grad():
        module = make_fx(run, tracing_mode="fake")(*fed)
    _bake(module, [constants.get(n.name) for n in leaves])
    free = tuple(n for n in leaves if n.name not in constants)
    return Traced(module, free, tuple(outputs), placement)


def _own(n: Node, made: Tensor, written: Sequence[Tensor]) -> Tensor:
    """The value, in memory of its own where a leaf that it shows is overwritten before the last
    reader of the value: the plan knows only of views that are aliases."""
    storage = made.untyped_storage()
    shown = any(leaf.untyped_storage() is storage for leaf in written)
    return made.clone() if shown and not OPS[n.op].alias else made


def _bake(module: GraphModule, values: Sequence[Tensor | None]) -> None:
    """Inputs with a value become buffers."""
    inputs = [n for n in module.graph.nodes if n.op == "placeholder"]
    for k, (n, value) in enumerate(zip(inputs, values, strict=True)):
        if value is None:
            continue
        module.register_buffer(f"constant{k}", value)
        with module.graph.inserting_before(n):
            n.replace_all_uses_with(module.graph.get_attr(f"constant{k}"))
        module.graph.erase_node(n)
    module.recompile()
