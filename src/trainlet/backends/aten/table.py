"""The table: op name -> its fast form in torch.

`backends/torch` computes the bits of the C kernels, for many experiments at once.  The functions
here compute the same values up to rounding, with what PyTorch has tuned for each device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from trainlet.backends.torch.table import find_lowering
from trainlet.ir.graph import Node
from trainlet.ops.op import OPS

Form = Callable[..., Tensor]
"""(node, values of its inputs) -> its value; an update may overwrite the leaf that it changes."""

FORMS: dict[str, Form] = {}


def form(*names: str) -> Callable[[Form], Form]:
    """Enter a function as the fast form of these operators."""

    def enter(made: Form) -> Form:
        FORMS.update(dict.fromkeys(names, made))
        return made

    return enter


def exact(n: Node, *inputs: Tensor) -> Tensor:
    """The exact form, for a single experiment; it computes in float32."""
    return find_lowering(n)(n, *(widened(x)[None] for x in inputs))[0]


def widened(x: Tensor) -> Tensor:
    return x.float() if x.dtype == torch.bfloat16 else x


def computed(n: Node, *inputs: Tensor) -> Tensor:
    """The node's value; an update has overwritten its leaf then.

    Raises UnsupportedError for an operator that torch has no form of.
    """
    made = FORMS.get(n.op, exact)(n, *inputs)
    leaf = OPS[n.op].mutates
    if leaf is None or made is inputs[leaf]:
        return made
    return inputs[leaf].copy_(made)


def leading(p: Tensor, shape: Sequence[int]) -> Tensor:
    """The first elements along each axis: what a narrower gradient updates."""
    return p if p.shape == torch.Size(shape) else p[tuple(slice(size) for size in shape)]
