"""The number format of a backward pass: float32, or block floating point where operators support
it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainlet.errors import UnsupportedError
from trainlet.ir.graph import Node
from trainlet.ops.op import OPS, Thunk, build
from trainlet.ops.quantized.gradient.block import is_block
from trainlet.ops.quantized.gradient.convert import from_block, to_block
from trainlet.ops.quantized.gradient.elementwise import block_sum


@dataclass(frozen=True)
class GradientFormat:
    """The format of the gradients of int8 activations; all others are float32.

    An op without an integer gradient rule computes in float32: its incoming gradient is converted
    to float32, and the gradients of its inputs are converted back to mantissas.
    """

    dtype: str = "float32"

    def thunks(self, n: Node, g: Node) -> Sequence[Thunk | None]:
        """The gradient rule of n on g; raises UnsupportedError where there is none."""
        op, integers = OPS[n.op], is_block(g.type)
        rule = (op.vjp_bfp if integers else None) or op.vjp
        if rule is None:
            raise UnsupportedError(f"{n!r} has no gradient rule, but a parameter before it learns")
        island = op.vjp_bfp is None
        return rule(n, _real(g) if island else g)

    def settled(self, tensor: Node, g: Node) -> Node:
        """A gradient of `tensor` in its format."""
        if self.dtype == "float32" or not _is_activation(tensor):
            return _real(g)
        return g if is_block(g.type) else to_block(g, self.dtype)

    def plus(self, tensor: Node, a: Node, b: Node) -> Node:
        """The sum of two gradients of `tensor`."""
        if is_block(a.type):
            return block_sum(a, b)
        return build("add", a, b, label=tensor.name)


def _real(g: Node) -> Node:
    return from_block(g) if is_block(g.type) else g


def _is_activation(n: Node) -> bool:
    """A weight has a scale for each of its channels."""
    quant = n.type.quant
    return n.op != "param" and n.type.dtype == "int8" and quant is not None and quant.axis is None
