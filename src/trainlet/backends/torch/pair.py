"""Two int8 layers whose sums are added before they are rounded."""

from __future__ import annotations

import torch
from torch import Tensor

from trainlet.backends.torch.eager import prepared
from trainlet.backends.torch.exact import float_for, layer_bound
from trainlet.backends.torch.experiments import aligned, products
from trainlet.backends.torch.fixed_point import Factor, clamped, rescale_once, rescaled
from trainlet.backends.torch.sums import rows
from trainlet.backends.torch.table import lowering
from trainlet.backends.torch.windows import real_input
from trainlet.ir.graph import Node

Layer = tuple[Tensor, Tensor, tuple[float, int]]


def _sums(b: Tensor, *layers: Layer) -> Tensor:
    """int32 [E, rows, O], in 32 bits that wrap."""
    total = b[:, None]
    for x, w, (_, zero) in layers:
        exact = float_for(layer_bound(w, zero, w.shape[-1], (w.ndim - 1,)))
        matrix = prepared(
            w, ("pair", exact), lambda w, t=exact: w.to(t).flatten(2).transpose(1, 2).contiguous()
        )
        own = products(rows(real_input(x, zero, exact)), matrix).to(torch.int32)
        own, total = aligned(own, total)
        total = own + total
    return total


@lowering("linear_pair_i8")
def linear_pair_i8(
    n: Node, x: Tensor, w: Tensor, b: Tensor, q: Tensor, h: Tensor, v: Tensor
) -> Tensor:
    sums = _sums(b, (x, w, n.attrs["source"]), (h, v, n.attrs["beside"]))
    return clamped(rescale_once(sums, Factor.of(q)), n).reshape(-1, *n.type.shape)


@lowering("conv2d_pair_i8")
def conv2d_pair_i8(
    n: Node, x: Tensor, w: Tensor, b: Tensor, q: Tensor, h: Tensor, v: Tensor
) -> Tensor:
    sums = _sums(b, (x, w, n.attrs["source"]), (h, v, n.attrs["beside"]))
    return rescaled(sums.double(), Factor.of(q), n).reshape(-1, *n.type.shape)
