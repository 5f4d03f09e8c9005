"""Quantised addition and multiplication with broadcasting."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from trainlet.backends.torch.cast import looked_up
from trainlet.backends.torch.eager import in_pieces
from trainlet.backends.torch.experiments import fitted
from trainlet.backends.torch.fixed_point import Factor, rescaled
from trainlet.backends.torch.table import lowering
from trainlet.ir.graph import Node
from trainlet.ops.quantized import fixed_point
from trainlet.ops.quantized.elementwise import LEFT_SHIFT, add_factors, mul_factor
from trainlet.ops.quantized.lookup import all_bytes


@lowering("add_i8")
@in_pieces
def add_i8(n: Node, a: Tensor, b: Tensor) -> Tensor:
    return _combined(n, a, b, 1)


@lowering("sub_i8")
@in_pieces
def sub_i8(n: Node, a: Tensor, b: Tensor) -> Tensor:
    return _combined(n, a, b, -1)


def _combined(n: Node, a: Tensor, b: Tensor, sign: int) -> Tensor:
    """The rescaled terms come from tables of 256."""
    sources = n.attrs["sources"]
    *factors, last = add_factors(sources, n.attrs["scale"])
    terms = []
    for x, (_, zero), factor in zip(fitted(a, b), sources, factors, strict=True):
        wide = (all_bytes().astype(np.int64) - zero) << LEFT_SHIFT
        terms.append(looked_up(fixed_point.rescale(wide, *factor).astype(np.float64), x))
    return rescaled(terms[0] + sign * terms[1], Factor.scalar(*last, a.device), n)


@lowering("mul_i8")
@in_pieces
def mul_i8(n: Node, a: Tensor, b: Tensor) -> Tensor:
    sources = n.attrs["sources"]
    a, b = (x.double() - zero for x, (_, zero) in zip(fitted(a, b), sources, strict=True))
    return rescaled(a * b, Factor.scalar(*mul_factor(sources, n.attrs["scale"]), a.device), n)
