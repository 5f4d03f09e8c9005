"""An operator that the ATen table does not have, as torch itself writes it with others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch._decomp import decomposition_table
from torch.func import functionalize
from torch.fx import GraphModule
from torch.fx import Node as Fx
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.node import map_arg

from trainlet.ir.graph import Node


def decomposition(fx: Fx, nodes: Mapping[str, Any], known: Collection[str]) -> GraphModule | None:
    """A graph of other operators with the result of `fx`; None if torch has none.

    nodes: what its inputs are, by name; the graph's placeholders are these, in the order of
           `fx.all_input_nodes`
    known: names of the operators that need no decomposition
    """
    inputs = fx.all_input_nodes
    target: Any = fx.target
    if not all(isinstance(nodes[n.name], Node) for n in inputs):
        return None
    tensors = [torch.zeros(nodes[n.name].type.shape, dtype=_dtype(n)) for n in inputs]

    def call(*given: torch.Tensor) -> Any:
        of = dict(zip(inputs, given, strict=True))
        made: Any = map_arg((fx.args, fx.kwargs), of.__getitem__)
        return target(*made[0], **made[1])

    table = {op: f for op, f in decomposition_table.items() if not _is_known(op, known)}
    try:
        graph = make_fx(call, decomposition_table=table, tracing_mode="fake")(*tensors)
        if any(map(_writes, graph.graph.nodes)):
            pure = functionalize(graph, remove="mutations")
            graph = make_fx(pure, tracing_mode="fake")(*tensors)
    except Exception:  # a decomposition that asks for the values of its inputs
        return None
    graph.graph.eliminate_dead_code()
    same = any(n.target is fx.target for n in graph.graph.nodes)
    return None if same else graph


def _is_known(op: Any, known: Collection[str]) -> bool:
    """Whether the operator, or that which writes its result into a new tensor, is known."""
    name = op.name().split("::")[-1].split(".")[0] if hasattr(op, "name") else str(op)
    return name in known or name.rstrip("_") in known


def _writes(fx: Fx) -> bool:
    schema = getattr(fx.target, "_schema", None)
    return schema is not None and schema.is_mutable


def _dtype(fx: Fx) -> torch.dtype:
    value = fx.meta.get("val")
    return value.dtype if isinstance(value, torch.Tensor) else torch.float32
