"""A chain of element-wise operations, computed by the torch functions of its operations."""

from __future__ import annotations

from torch import Tensor

from trainlet.backends.torch.table import find_lowering, lowering
from trainlet.ir.graph import Node
from trainlet.ops.fused.chain import FusedOp, chained
from trainlet.ops.op import build

NodeTensor = tuple[Node, Tensor]


@lowering("fused")
def fused(n: Node, *inputs: Tensor) -> Tensor:
    def run(link: FusedOp, operands: list[NodeTensor]) -> NodeTensor:
        op, _, attrs = link
        made = build(op, *(node for node, _ in operands), **attrs)
        return made, find_lowering(made)(made, *(value for _, value in operands))

    return chained(n.attrs["links"], zip(n.inputs, inputs, strict=True), run)[1]
