"""A chain of element-wise operations: the meanings of its links."""

from __future__ import annotations

from torch import Tensor

from trainlet.ir.graph import Node
from trainlet.ops.fused.chain import Link, chained
from trainlet.ops.op import build
from trainlet.run.batched.table import find_meaning, meaning

Value = tuple[Node, Tensor]


@meaning("fused")
def fused(n: Node, *inputs: Tensor) -> Tensor:
    def run(link: Link, operands: list[Value]) -> Value:
        op, _, attrs = link
        made = build(op, *(node for node, _ in operands), **attrs)
        return made, find_meaning(made)(made, *(value for _, value in operands))

    return chained(n.attrs["links"], zip(n.inputs, inputs, strict=True), run)[1]
