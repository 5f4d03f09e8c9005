"""Depthwise convolution and its gradients: w [E,KH,KW,C], channels last."""

from __future__ import annotations

import torch
from torch import Tensor

from trainlet.backends.torch.eager import in_pieces, prepared
from trainlet.backends.torch.exact import float_for, layer_bound
from trainlet.backends.torch.experiments import aligned
from trainlet.backends.torch.fixed_point import Factor, biased, rescaled
from trainlet.backends.torch.layer import map_gradients, weight_gradients
from trainlet.backends.torch.table import lowering
from trainlet.backends.torch.windows import Window, convolves, folded, real_input, unfolded
from trainlet.ir.graph import Node


def _float(w: Tensor, dtype: torch.dtype) -> Tensor:
    return prepared(w, dtype, lambda w: w.to(dtype))


def _sums(n: Node, x: Tensor, w: Tensor) -> Tensor:
    """[E,N,OH,OW,C]; x in the float type in which it is computed."""
    window = Window.of(n, (x.shape[2], x.shape[3]))
    padded = window.padded(folded(x))
    if convolves(x, w):
        kernels = prepared(w, "kernels", lambda w: w[0].permute(2, 0, 1)[..., None].float())
        return unfolded(window.convolved(padded, kernels, x.shape[4]), x.shape[0])
    x, weights = aligned(unfolded(padded, x.shape[0]), _float(w, x.dtype))
    experiments = max(x.shape[0], weights.shape[0])
    total = x.new_zeros((experiments, x.shape[1], *window.out, x.shape[4]))
    for ky, kx, met in window.taps():
        total.addcmul_(x[:, *met], weights[:, None, None, None, ky, kx])
    return total


@lowering("depthwise_i8")
@in_pieces
def depthwise_i8(n: Node, x: Tensor, w: Tensor, b: Tensor, q: Tensor) -> Tensor:
    zero = n.attrs["source"][1]
    bound = layer_bound(w, zero, w[0, ..., 0].numel(), (1, 2))
    real = real_input(x, zero, float_for(bound))
    total, bias = aligned(_sums(n, real, w), b[:, None, None, None])
    sums, small = biased(total, bias, bound)
    return rescaled(sums, Factor.of(q), n, small)


@lowering("depthwise")
def depthwise(n: Node, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    total = _sums(n, x, w)
    if b is None:
        return total
    total, bias = aligned(total, b[:, None, None, None])
    return total + bias


def _transposed_sums(n: Node, g: Tensor, w: Tensor) -> Tensor:
    """[E,N,H,W,C]."""
    g, weights = aligned(g, _float(w, g.dtype))
    experiments, maps = max(g.shape[0], weights.shape[0]), g.shape[1]
    window = Window.of(n, n.attrs["size"])
    padded = unfolded(window.empty(experiments * maps, g.shape[4], g), experiments)
    for ky, kx, met in window.taps():
        padded[:, *met].addcmul_(g, weights[:, None, None, None, ky, kx])
    return unfolded(window.inside(folded(padded)), experiments)


map_gradients("depthwise", _transposed_sums)


def _weight_sums(n: Node, g: Tensor, x: Tensor) -> Tensor:
    """[E,KH,KW,C]."""
    window = Window.of(n, (x.shape[2], x.shape[3]))
    g, x = aligned(g, unfolded(window.padded(folded(x)), x.shape[0]))
    made = [(g * x[:, *met]).sum((1, 2, 3)) for _, _, met in window.taps()]
    return torch.stack(made, 1).unflatten(1, window.kernel)


weight_gradients("depthwise", _weight_sums)
